"""The studio at `/`, and the files of /web/ that it and other people's pages are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from shim.ranges import Validators
from shim.refusals import UnknownPath
from shim.serving import ServedFile, respond

FOLDER = Path(__file__).parent / "web"
PAGE = "index.html"
CACHING = "public, max-age=300"
"""Long enough for a visit; short enough that no page meets an older module for long."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        # Samples of voices lie at the voice service.
        "media-src 'self' blob: https:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}


def studio_routes() -> APIRouter:
    """GET and HEAD of the page and of its files, which are read once."""
    files = dict(_files())
    router = APIRouter()

    async def page(request: Request) -> Response:
        response = respond(request, files[PAGE])
        response.headers.update(_PAGE_HEADERS)
        return response

    async def file(request: Request, path: str) -> Response:
        if path not in files or path == PAGE:
            raise UnknownPath(f"There is nothing at /web/{path[:200]}. See /docs for what there is.")
        return respond(request, files[path])

    for path, send in (("/", page), ("/web/{path:path}", file)):
        router.add_api_route(path, send, methods=["GET", "HEAD"], include_in_schema=False)
    return router


def _files() -> Iterator[tuple[str, ServedFile]]:
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            validators = Validators(hashlib.sha256(body).hexdigest()[:32], modified)
            name = path.relative_to(FOLDER).as_posix()
            yield name, ServedFile.of_bytes(body, validators, path.name, _TYPES[path.suffix], CACHING)
