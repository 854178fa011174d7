"""All paths of the API, by what they are about."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from engine.jobs import Jobs
from engine.lifetimes import Lifetimes
from shim.auth.gate import Browsers
from shim.avatars.announced import AnnouncedUploads
from shim.avatars.routes import avatar_routes
from shim.avatars.stored import StoredAvatars
from shim.browsers.routes import Mint, token_routes
from shim.browsers.spending import TokenCounts
from shim.budgets.report import Days, usage_routes
from shim.budgets.settings import budget_of
from shim.catalogues import Catalogues, source_for
from shim.files import Outputs, file_routes
from shim.generate import body_limit, generate_routes
from shim.generations import Generations
from shim.ground import Ground
from shim.health import health_routes
from shim.jobs.parts import JobParts
from shim.jobs.routes import job_routes
from shim.limits.told import limits_routes
from shim.live import live_routes
from shim.recent_sessions import RecentSessions
from shim.relay import Relay
from shim.session_list import SessionList, session_list_routes
from shim.session_status import SessionStatus, ShortWay
from shim.sessions import session_routes
from shim.stored_streams import StoredStreams
from shim.streams import stream_routes
from shim.studio import studio_routes
from shim.thumbnails import Thumbnails
from shim.uploads import Uploads
from shim.voices import voice_routes
from shim.webhooks.routes import webhook_routes


def add_routes(app: FastAPI, ground: Ground, browsers: Browsers, uploads: Uploads, jobs: JobParts) -> None:
    """``browsers``: whose tokens are minted. ``uploads``: closed by whoever closes the app."""
    app.include_router(health_routes(ground.backend))
    _add_sessions(app, ground, jobs)
    _add_avatars(app, ground, uploads)
    app.include_router(limits_routes(ground.settings))
    _add_generating(app, ground, jobs)
    _add_what_was_made(app, ground, jobs)
    app.include_router(voice_routes(Catalogues(ground.store, source_for(ground.settings), ground.now)))
    _add_usage(app, ground)
    app.include_router(studio_routes())
    _add_tokens(app, ground, browsers)
    _add_jobs(app, ground, jobs)


def _add_sessions(app: FastAPI, ground: Ground, jobs: JobParts) -> None:
    recent = RecentSessions(ground.backend.session)
    ground.records.sessions.watch(recent.forget)
    status = SessionStatus(ground.backend, recent, ground.links)
    stop_jobs = jobs.keeper.cancel_session
    app.include_router(session_routes(ground.backend, recent, ground.keyed, stop_jobs, ground.consent, status))
    listed = SessionList(ground.backend, ground.records, ground.links, ground.now)
    app.include_router(session_list_routes(listed, Thumbnails(ground.store)))
    app.add_middleware(ShortWay, status=status)


def _add_avatars(app: FastAPI, ground: Ground, uploads: Uploads) -> None:
    settings = ground.settings
    avatars = StoredAvatars(ground.store, ground.records, Lifetimes.of(settings), ground.links, ground.now)
    announced = AnnouncedUploads(
        ground.store, avatars, ground.consent, settings.max_avatar_bytes, settings.link_seconds, ground.now
    )
    app.include_router(avatar_routes(avatars, announced, uploads))


def _add_generating(app: FastAPI, ground: Ground, jobs: JobParts) -> None:
    generations = Generations(ground.backend, ground.turnstile, ground.consent)
    store, links, limit = ground.store, ground.links, body_limit(ground.settings)
    app.include_router(generate_routes(generations, store, limit, ground.keyed, links, jobs.later))
    app.include_router(stream_routes(generations, store, limit, links, jobs.later))


def _add_what_was_made(app: FastAPI, ground: Ground, jobs: JobParts) -> None:
    streams = StoredStreams(ground.store, ground.records, ground.now, jobs.accepted)
    app.include_router(live_routes(Relay(streams), ground.links))
    app.include_router(file_routes(Outputs(ground.store, ground.records)))


def _add_usage(app: FastAPI, ground: Ground) -> None:
    budgets = partial(budget_of, ground.settings.budgets)
    app.include_router(usage_routes(Days(ground.store, ground.now), budgets, ground.now))


def _add_tokens(app: FastAPI, ground: Ground, browsers: Browsers) -> None:
    counts = TokenCounts(ground.store, ground.now)
    mint = Mint(browsers.tokens, counts, ground.backend, ground.store, browsers.origins, ground.now)
    app.include_router(token_routes(mint))


def _add_jobs(app: FastAPI, ground: Ground, jobs: JobParts) -> None:
    app.include_router(job_routes(jobs.reports, jobs.keeper, ground.backend, Jobs(ground.records, ground.now)))
    app.include_router(webhook_routes(jobs.secrets))
