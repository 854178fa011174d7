"""The API as one ASGI app over a backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import EngineError
from engine.jobs import Jobs
from engine.lifetimes import Lifetimes
from engine.records import Records
from engine.store.protocol import ObjectStore
from shim.auth.admission import Admission, admission_of
from shim.auth.gate import Browsers, Gate
from shim.avatars.announced import AnnouncedUploads
from shim.avatars.consent import Consent
from shim.avatars.routes import avatar_routes
from shim.avatars.stored import StoredAvatars
from shim.backends import Backend
from shim.browsers.headers import SecurityHeaders
from shim.browsers.origins import Cors, Origins
from shim.browsers.reach import Reach
from shim.browsers.rebinding import LocalNames
from shim.browsers.routes import Mint, token_routes
from shim.browsers.spending import TokenCounts, TokenGenerations
from shim.browsers.tokens import BrowserTokens
from shim.budgets.check import BudgetCheck
from shim.budgets.report import Days, usage_routes
from shim.budgets.settings import budget_of
from shim.budgets.spending import Spending
from shim.budgets.stop import StopCheck
from shim.catalogues import Catalogues, source_for
from shim.docs import add_docs
from shim.errors import (
    GenerationFailed,
    on_defect,
    on_error,
    on_http_exception,
    on_invalid_request,
    unforeseen,
    unknown_path,
)
from shim.files import Outputs, file_routes
from shim.generate import body_limit, generate_routes
from shim.generations import Generations
from shim.health import health_routes
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.routes import job_routes
from shim.jobs.service import Ground as JobGround
from shim.jobs.service import JobService
from shim.keyed_requests import KeyedRequests
from shim.limits.addresses import TrustedProxies
from shim.limits.generations import SessionGenerations
from shim.limits.leases import Leases
from shim.limits.rates import RateLimits
from shim.limits.told import limits_routes
from shim.links import Links
from shim.live import live_routes
from shim.metrics.backend import MeasuredBackend
from shim.metrics.instruments import Instruments
from shim.metrics.page import MetricsPage
from shim.metrics.requests import RequestMeter
from shim.openapi import DescribedApi
from shim.recent_sessions import RecentSessions
from shim.relay import Relay
from shim.request_id import Door, request_id_of
from shim.session_list import SessionList, session_list_routes
from shim.session_status import SessionStatus, ShortWay
from shim.sessions import session_routes
from shim.settings import ShimSettings
from shim.signing import SigningSecret
from shim.stored_streams import StoredStreams
from shim.streams import refuse, stream_routes
from shim.studio import studio_routes
from shim.thumbnails import Thumbnails
from shim.turnstile import Turnstile
from shim.uploads import Uploads
from shim.voices import voice_routes
from shim.webhooks.routes import webhook_routes

TITLE = "Talking avatar"
DESCRIPTION = """Text or audio becomes a lip-synced video of a person's face.

1. Create a session; 2. poll its status until it is `ready`; 3. generate; 4. fetch the files by their paths."""


@dataclass(frozen=True)
class Service:
    """What the API stands on: who makes the videos, and the store that holds them."""

    backend: Backend
    store: ObjectStore
    records: Records
    settings: ShimSettings


def create_app(service: Service) -> ASGIApp:
    """The API behind its gate and its door. Raises ConfigurationError."""
    admission = admission_of(service.settings)
    instruments = Instruments()
    measured = replace(service, backend=MeasuredBackend(service.backend, instruments))
    secret = SigningSecret(service.settings.signing_secret, service.store)
    links = Links(secret, service.settings.link_seconds, admission.is_guarded)
    browsers = _browsers(service, secret, admission)
    api = create_api(measured, secret, links, browsers)
    gate = Gate(RateLimits(api, service.settings), admission, links, browsers)
    meter = RequestMeter(Cors(gate, browsers.origins), instruments)
    page = MetricsPage(meter, instruments, service.backend, service.settings.metrics_token)
    is_for_itself = not admission.is_guarded and not service.settings.allow_anonymous
    named = LocalNames(page) if is_for_itself else page
    return Door(TrustedProxies(SecurityHeaders(named), service.settings.trusted_proxies), _tell_defect)


def _browsers(service: Service, secret: SigningSecret, admission: Admission) -> Browsers:
    accepted = AcceptedJobs(service.store, _now)

    def session_of(job_id: str) -> str | None:
        job = service.records.jobs.get(job_id) or accepted.get(job_id)
        return None if job is None else job.session_id

    origins = Origins.of(service.settings, is_guarded=admission.is_guarded, host=service.settings.host)
    return Browsers(BrowserTokens(secret, admission.minters), Reach(session_of), origins)


def create_api(service: Service, secret: SigningSecret, links: Links, browsers: Browsers) -> FastAPI:
    """The paths, for requests that have a caller. The lifespan starts and closes the backend."""
    uploads = Uploads(service.store, service.settings.max_avatar_bytes)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if links.is_guarded:
            # Read here, so that no request waits for it in the event loop.
            await asyncio.to_thread(secret.key, "links")
        await service.backend.start()
        jobs.start()
        try:
            yield
        finally:
            await asyncio.to_thread(uploads.close)
            await jobs.close()
            await service.backend.close()

    app = DescribedApi(
        title=TITLE,
        version="1.0.0",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        is_guarded=links.is_guarded,
    )
    jobs = _add_routes(app, service, uploads, links, secret, browsers)
    add_docs(app)
    _add_error_handlers(app)
    return app


def _add_routes(
    app: FastAPI, service: Service, uploads: Uploads, links: Links, secret: SigningSecret, browsers: Browsers
) -> JobService:
    backend, store, settings = service.backend, service.store, service.settings
    consent = Consent(settings.require_consent)
    avatars = StoredAvatars(store, service.records, Lifetimes.of(settings), links, _now)
    announced = AnnouncedUploads(store, avatars, consent, settings.max_avatar_bytes, settings.link_seconds, _now)
    keyed = KeyedRequests(store, _now)
    recent = RecentSessions(backend.session)
    service.records.sessions.watch(recent.forget)
    status = SessionStatus(backend, recent, links)
    leases = Leases(store, _now)
    token_counts = TokenCounts(store, _now)
    checks = (
        StopCheck(store),
        BudgetCheck(settings.budgets, settings.total_budget, Spending(store, _now), leases, _now),
        SessionGenerations(leases, settings.session_generations),
        TokenGenerations(token_counts),
    )
    turnstile = Turnstile(checks)
    generations = Generations(backend, turnstile, consent)
    jobs = JobService.of(JobGround(settings, store, service.records, backend, turnstile, keyed, secret, links, _now))
    streams = StoredStreams(store, service.records, _now, jobs.accepted)
    app.include_router(health_routes(backend))
    app.include_router(session_routes(backend, recent, keyed, jobs.keeper.cancel_session, consent, status))
    app.include_router(session_list_routes(SessionList(backend, service.records, links, _now), Thumbnails(store)))
    app.include_router(avatar_routes(avatars, announced, uploads))
    app.include_router(limits_routes(settings))
    app.include_router(generate_routes(generations, store, body_limit(settings), keyed, links, jobs.later))
    app.include_router(stream_routes(generations, store, body_limit(settings), links, jobs.later))
    app.include_router(live_routes(Relay(streams), links))
    app.include_router(file_routes(Outputs(store, service.records)))
    app.include_router(voice_routes(Catalogues(store, source_for(settings), _now)))
    app.include_router(usage_routes(Days(store, _now), partial(budget_of, settings.budgets), _now))
    app.include_router(studio_routes())
    app.include_router(token_routes(Mint(browsers.tokens, token_counts, backend, store, browsers.origins, _now)))
    app.include_router(job_routes(jobs.reports, jobs.keeper, backend, Jobs(service.records, _now)))
    app.include_router(webhook_routes(jobs.secrets))
    app.add_api_websocket_route("/{path:path}", _refuse_socket)
    app.add_middleware(ShortWay, status=status)
    return jobs


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(EngineError, on_error)
    app.add_exception_handler(GenerationFailed, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_defect)


def _now() -> datetime:
    return datetime.now(UTC)


async def _refuse_socket(websocket: WebSocket) -> None:
    """Left to itself the router answers 403 without a word."""
    await websocket.send_denial_response(unknown_path(websocket).response(request_id_of(websocket.scope)))


async def _tell_defect(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(scope, send, unforeseen())
