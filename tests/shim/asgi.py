"""Requests to an app without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


def asked(app: ASGIApp, method: str, path: str, **more: Any) -> httpx.Response:
    """The app's answer. Its lifespan is not begun."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            return await http.request(method, path, **more)

    return asyncio.run(ask())
