"""Headers that tell browsers what the server's answers are not to be used for."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shim.browsers.origins import FILES
from shim.links import scope_of

_API = "/api/"
NO_FRAMES = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_ANSWER = f"default-src 'none'; {NO_FRAMES}"
_MEDIA = f"default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; {NO_FRAMES}"
"""Of a file that is opened by itself: the browser makes a page around it, with a style of its own."""

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """Wraps the app. What an answer says itself stays: pages have policies of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in _told(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, tell)


def _told(path: str) -> dict[str, str]:
    is_media = scope_of(path) is not None
    # A page elsewhere shows a file without CORS: whoever has its address may have it.
    use = "cross-origin" if is_media or path.startswith(FILES) else "same-origin"
    policy = _MEDIA if is_media else _ANSWER
    # Whoever keeps what a key was answered could show it to another: of X-API-Key, caches know nothing.
    keeping = {"Cache-Control": "no-store"} if path.startswith(_API) else {}
    return {**_EVERYWHERE, **keeping, "Cross-Origin-Resource-Policy": use, "Content-Security-Policy": policy}
