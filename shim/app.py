"""The API as one ASGI app over a backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import FastAPI, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.clock import utc_now
from engine.errors import EngineError
from engine.records import Records
from engine.store.protocol import ObjectStore
from shim.auth.admission import Admission, admission_of
from shim.auth.gate import Browsers, Gate
from shim.avatars.consent import Consent
from shim.backends import Backend
from shim.browsers.headers import SecurityHeaders
from shim.browsers.origins import Cors, Origins
from shim.browsers.reach import Reach
from shim.browsers.rebinding import LocalNames
from shim.browsers.spending import TokenCounts, TokenGenerations
from shim.browsers.tokens import BrowserTokens
from shim.budgets.check import BudgetCheck
from shim.budgets.spending import Spending
from shim.budgets.stop import StopCheck
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
from shim.ground import Ground
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.parts import JobParts
from shim.keyed_requests import KeyedRequests
from shim.limits.addresses import TrustedProxies
from shim.limits.generations import SessionGenerations
from shim.limits.leases import Leases
from shim.limits.rates import RateLimits
from shim.links import Links
from shim.metrics.backend import MeasuredBackend
from shim.metrics.instruments import Instruments
from shim.metrics.page import MetricsPage
from shim.metrics.requests import RequestMeter
from shim.openapi import DescribedApi
from shim.request_id import Door, request_id_of
from shim.routes import add_routes
from shim.settings import ShimSettings
from shim.signing import SigningSecret
from shim.streams import refuse
from shim.turnstile import Turnstile
from shim.uploads import Uploads

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
    accepted = AcceptedJobs(service.store, utc_now)

    def session_of(job_id: str) -> str | None:
        job = service.records.jobs.get(job_id) or accepted.get(job_id)
        return None if job is None else job.session_id

    origins = Origins.of(service.settings, is_guarded=admission.is_guarded, host=service.settings.host)
    return Browsers(BrowserTokens(secret, admission.minters), Reach(session_of), origins)


def create_api(service: Service, secret: SigningSecret, links: Links, browsers: Browsers) -> FastAPI:
    """The paths, for requests that have a caller. The lifespan starts and closes the backend."""
    ground = _ground(service, secret, links)
    uploads = Uploads(service.store, service.settings.max_avatar_bytes)
    jobs = JobParts.of(ground)

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
            # A signal ends the process right after this, and would cut what a thread still writes.
            await asyncio.get_running_loop().shutdown_default_executor()

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
    add_routes(app, ground, browsers, uploads, jobs)
    app.add_api_websocket_route("/{path:path}", _refuse_socket)
    add_docs(app)
    _add_error_handlers(app)
    return app


def _ground(service: Service, secret: SigningSecret, links: Links) -> Ground:
    settings, store = service.settings, service.store
    return Ground(
        settings=settings,
        store=store,
        records=service.records,
        backend=service.backend,
        turnstile=_turnstile(settings, store),
        keyed=KeyedRequests(store, utc_now),
        consent=Consent(settings.require_consent),
        secret=secret,
        links=links,
        now=utc_now,
    )


def _turnstile(settings: ShimSettings, store: ObjectStore) -> Turnstile:
    leases = Leases(store, utc_now)
    return Turnstile(
        (
            StopCheck(store),
            BudgetCheck(settings.budgets, settings.total_budget, Spending(store, utc_now), leases, utc_now),
            SessionGenerations(leases, settings.session_generations),
            TokenGenerations(TokenCounts(store, utc_now)),
        )
    )


def _add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(EngineError, on_error)
    app.add_exception_handler(GenerationFailed, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_defect)


async def _refuse_socket(websocket: WebSocket) -> None:
    """Left to itself the router answers 403 without a word."""
    await websocket.send_denial_response(unknown_path(websocket).response(request_id_of(websocket.scope)))


async def _tell_defect(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(scope, send, unforeseen())
