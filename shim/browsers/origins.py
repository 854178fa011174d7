"""Which pages may use this server: CORS for what browsers ask it by HTTP, and a look of our own where CORS has none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shim.auth.loopback import is_loopback
from shim.callers import Caller
from shim.limits.rates import RATE_HEADERS
from shim.refusals import OriginNotAllowed

ANY = "*"
SENT_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Range",
    "X-API-Key",
    "X-Request-ID",
)
"""What a page may send."""

READ_HEADERS = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "ETag",
    "Last-Modified",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Hls-Url",
    "X-Job-Id",
    "X-Request-ID",
    "X-Stream-Url",
    *RATE_HEADERS,
)
"""What a page may read of an answer."""

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
FILES = "/web/"
"""The server's own scripts, which pages of every origin may load."""

_PREFLIGHT_SECONDS = 600
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_NONE = re.compile(r"(?!)")


class OriginSettings(BaseSettings):
    """Whose pages are let in."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins, such as `https://shop.example` and separated by commas, whose pages may use the REST "
        "server; `*`: all. Pages of this machine may in any case while the server is open, and listens to it alone.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().rstrip("/").lower() for part in value.split(",") if part.strip())

    @field_validator("cors_origins")
    @classmethod
    def _plain_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != ANY and not is_origin(origin):
                raise ValueError("each is `*` or an origin: `https://`, a host, and a port where it is no usual one")
        return origins


def is_origin(word: str) -> bool:
    """Whether the word is an origin as browsers send it."""
    return _ORIGIN.fullmatch(word) is not None


@dataclass(frozen=True)
class Origins:
    """The pages that are let in: those of ``listed`` origins, and of this machine where ``local``."""

    listed: tuple[str, ...]
    local: bool

    @classmethod
    def of(cls, settings: OriginSettings, *, is_guarded: bool, host: str) -> Self:
        """``host``: the address that the server listens at."""
        return cls(settings.cors_origins, is_loopback(host) and not is_guarded)

    def allows(self, origin: str) -> bool:
        return ANY in self.listed or origin in self.listed or (self.local and _LOCAL.fullmatch(origin) is not None)

    def demand(self, scope: Scope, caller: Caller) -> None:
        """Raises OriginNotAllowed for a page that may not ask this of the server.

        What browsers hold back themselves is left to them: a page that may not read an answer by CORS. They hold back
        neither WebSockets nor what a form could send, which matters where no key is asked for. A token that names
        origins is for their pages alone; of reading, browsers don't always say which page it is for.
        """
        origin = Headers(scope=scope).get("origin")
        granted = caller.grant.origins if caller.grant is not None else ()
        if origin is None:
            if granted and not _is_reading(scope):
                raise OriginNotAllowed("This token is for pages of its origins alone, and no `Origin` came.")
        elif granted:
            _demand(origin in granted, "This token is for pages of other origins. Have one minted for this one.")
        elif _needs_look(scope, caller):
            told = "Pages of this origin may not use this server. Its operator can add it to CORS_ORIGINS."
            _demand(is_own(scope, origin) or self.allows(origin), told)


def is_own(scope: Scope, origin: str) -> bool:
    """Whether the page is this server's own, as the browser says, or by the name that the server was asked by."""
    headers = Headers(scope=scope)
    if headers.get("sec-fetch-site") == "same-origin":
        return True
    try:
        page, asked = urlsplit(origin), urlsplit(f"{urlsplit(origin).scheme}://{headers.get('host', '')}")
        return bool(page.hostname) and (page.hostname, _port(page)) == (asked.hostname, _port(asked))
    except ValueError:
        return False


class Cors:
    """Wraps the app, gate and all, so that a page can read a refusal too. Preflights go no further than this."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._api = CORSMiddleware(
            app,
            allow_origins=origins.listed,
            allow_origin_regex=(_LOCAL if origins.local else _NONE).pattern,
            allow_methods=METHODS,
            allow_headers=SENT_HEADERS,
            expose_headers=READ_HEADERS,
            max_age=_PREFLIGHT_SECONDS,
        )
        self._files = CORSMiddleware(app, allow_origins=[ANY], allow_methods=["GET", "HEAD"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = scope["type"] == "http" and scope["path"].startswith(FILES)
        await (self._files if is_file else self._api)(scope, receive, send)


def _needs_look(scope: Scope, caller: Caller) -> bool:
    if scope["type"] == "websocket" or caller.kind == "browser":
        return True
    return caller.kind == "anybody" and not _is_reading(scope)


def _is_reading(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS")


def _demand(is_allowed: bool, refusal: str) -> None:
    if not is_allowed:
        raise OriginNotAllowed(refusal)


def _port(parts: SplitResult) -> int:

    return parts.port or (443 if parts.scheme == "https" else 80)
