"""Public keys of an identity provider, as a JSON Web Key Set (RFC 7517) tells them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import jwt

from engine.errors import ConfigurationError
from engine.outages import TokenKeysUnavailable
from shim.auth.loopback import is_loopback

ALGORITHMS = frozenset({"RS256", "ES256"})
"""Keys for anything else are left out: what a token is checked by never depends on the token."""

FRESH_SECONDS = 600.0
"""After this the keys are read anew, so that one which was withdrawn lets nobody in much longer."""

REFRESH_SECONDS = 30.0
"""The keys are read no more often than this, however many tokens come that name unknown ones."""

KEPT_SECONDS = 3600.0
"""Where they can't be read anew the last ones count for so long."""

MOST_BYTES = 1 << 20
_FETCH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """The key set can't be had, or is none. The message says which, in a few words."""


class JwksSource(Protocol):
    """Where a key set lies."""

    async def read(self) -> bytes:
        """Raises Unreadable."""
        ...


@dataclass(frozen=True)
class JwksFile:
    """A file of this machine."""

    path: Path

    async def read(self) -> bytes:
        return await asyncio.to_thread(self.read_now)

    def read_now(self) -> bytes:
        """Raises Unreadable."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise Unreadable(f"the file can't be read ({error.strerror})") from None


@dataclass(frozen=True)
class JwksAddress:
    """An address on the web, which the operator has chosen. Redirects are not followed."""

    url: str

    async def read(self) -> bytes:
        try:
            async with (
                asyncio.timeout(_FETCH_SECONDS),
                httpx.AsyncClient(timeout=_FETCH_SECONDS) as http,
                http.stream("GET", self.url, headers={"Accept": "application/json"}) as reply,
            ):
                return await _body(reply)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unreadable(f"the address doesn't answer ({type(error).__name__})") from None


def source_of(where: str) -> JwksFile | JwksAddress:
    """The file or address that JWT_JWKS names.

    Raises ConfigurationError for an address that others could answer in the provider's place, and for a file that
    holds no usable keys.
    """
    if "://" not in where:
        return _file(Path(where))
    parts = urlsplit(where)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return JwksAddress(where)
    raise ConfigurationError("JWT_JWKS: the address has to begin with https://.")


def parse_keys(body: bytes) -> tuple[jwt.PyJWK, ...]:
    """The set's keys that sign by RS256 or ES256. Raises Unreadable when there is none."""
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(body)).keys
    except (jwt.PyJWTError, ValueError, RecursionError, AttributeError, TypeError):
        raise Unreadable("it is no set of public keys") from None
    usable = tuple(key for key in keys if key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig"))
    if not usable:
        raise Unreadable("it has no key for RS256 or ES256")
    return usable


class Jwks:
    """The keys of ``source``, kept. ``clock`` gives seconds that never go back. Used in one event loop."""

    def __init__(self, source: JwksSource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._keys: tuple[jwt.PyJWK, ...] = ()
        self._read: float | None = None
        self._tried: float | None = None
        self._reading = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of that id, or the only one where a token names none. Raises TokenKeysUnavailable."""
        if self._is_older_than(FRESH_SECONDS) or self._pick(key_id) is None:
            async with self._reading:
                await self._refresh()
        if self._is_older_than(KEPT_SECONDS):
            raise TokenKeysUnavailable("The keys that tokens are checked with can't be had now. Try again in a minute.")
        return self._pick(key_id)

    async def _refresh(self) -> None:
        now = self._clock()
        if self._tried is not None and now - self._tried < REFRESH_SECONDS:
            return
        self._tried = now
        try:
            self._keys = parse_keys(await self._source.read())
            self._read = now
        except Unreadable as error:
            log.warning("The key set of JWT_JWKS could not be read: %s.", error)

    def _is_older_than(self, seconds: float) -> bool:
        return self._read is None or self._clock() - self._read >= seconds

    def _pick(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)


def _file(path: Path) -> JwksFile:
    file = JwksFile(path)
    try:
        parse_keys(file.read_now())
    except Unreadable as error:
        raise ConfigurationError(f"JWT_JWKS: {error}.") from None
    return file


async def _body(reply: httpx.Response) -> bytes:
    if reply.status_code != 200:
        raise Unreadable(f"the address answers {reply.status_code}")
    body = bytearray()
    async for piece in reply.aiter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            raise Unreadable("it is too large")
    return bytes(body)
