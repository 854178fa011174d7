"""A guard against DNS rebinding: a page's own name, made to lead to this machine, would make the page this server's."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shim.auth.gate import turn_away
from shim.auth.loopback import is_loopback
from shim.refusals import OriginNotAllowed


class LocalNames:
    """Wraps the app of a server that lets everybody on this machine in: it answers to this machine's names alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_local_name(Headers(scope=scope).get("host", "")):
            refusal = OriginNotAllowed(
                "This server listens to its own machine, and was asked by another name than `localhost`. To serve it "
                "under that name its operator configures keys, or sets ALLOW_ANONYMOUS=1."
            )
            await turn_away(refusal, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_local_name(host: str) -> bool:
    """Of a Host header. Without one there is no name to be wrong; browsers always send it."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return not host or (name is not None and (is_loopback(name) or name.endswith(".localhost")))
