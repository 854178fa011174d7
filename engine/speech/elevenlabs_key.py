"""How a request to ElevenLabs shows the account's key."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pydantic import SecretStr


class KeyHeader(httpx.Auth):
    """Sets the key as the request leaves, so that it stands in no client's and no request's own settings."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["xi-api-key"] = self._key.get_secret_value()
        yield request
