"""Files from URLs that callers give, onto the disk, within limits."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from engine.cancel import CancelToken
from engine.errors import DownloadTooLarge, EngineError, UrlUnreachable
from engine.fetching.guard import RESOLVE_SECONDS, FetchPolicy, Guard, Resolver, host_of, port_of, system_resolver
from engine.fetching.patience import Clock, Patience
from engine.fetching.transport import GuardedTransport, is_certificate_error
from engine.outages import StorageFull, UrlUnavailable

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})
_HEADERS = {"User-Agent": "talking-avatar", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class FetchLimits:
    """How much a download may take: bytes, and seconds in all, to connect, and of silence."""

    max_bytes: int
    total_seconds: float
    connect_seconds: float = 10.0
    silence_seconds: float = 20.0


@dataclass(frozen=True)
class Downloaded:
    """A file that came whole: its size in bytes, its SHA-256 in hex, and the host that sent it."""

    size: int
    sha256: str
    host: str


class GuardedFetcher:
    """The one way in which the service fetches a URL that it was given.

    Proxies, credentials and certificates named in the environment are not used, no request carries an
    Authorization or a cookie, and the address that was judged is the one connected to.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        resolver: Resolver = system_resolver,
        clock: Clock = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = Guard(policy, resolver)
        self._clock = clock
        self._tls = tls if tls is not None else httpx.create_ssl_context(trust_env=False)

    def check(self, url: str) -> None:
        """Judge a URL and its host's addresses without connecting.

        UrlNotAllowed, UrlUnreachable (no such host) or UrlUnavailable (the name server is away).
        """
        admitted = self._guard.admit(url)
        patience = Patience(self._clock)
        self._guard.addresses(host_of(admitted), port_of(admitted), patience, RESOLVE_SECONDS)

    def download(self, url: str, target: Path, limits: FetchLimits, cancel: CancelToken) -> Downloaded:
        """Fetch ``url`` into ``target``, which appears whole or not at all.

        UrlNotAllowed, UrlUnreachable, UrlUnavailable, DownloadTooLarge, StorageFull; Cancelled.
        """
        patience = Patience(self._clock, self._clock() + limits.total_seconds, cancel)
        part = target.with_name(f"{target.name}.part")
        try:
            downloaded = self._fetch(self._guard.admit(url), part, limits, patience)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return downloaded

    def guarded_transport(
        self, total_seconds: float = math.inf, cancel: CancelToken | None = None
    ) -> httpx.BaseTransport:
        """A transport under the same rules for another httpx client, which closes it and brings its own timeouts.

        All its waits end ``total_seconds`` from now, and with Cancelled as soon as ``cancel`` is set.
        """
        return GuardedTransport(self._guard, self._tls, Patience(self._clock, self._clock() + total_seconds, cancel))

    def _fetch(self, url: httpx.URL, part: Path, limits: FetchLimits, patience: Patience) -> Downloaded:
        with contextlib.closing(GuardedTransport(self._guard, self._tls, patience)) as transport:
            for _ in range(MAX_REDIRECTS + 1):
                exchange = _Exchange(transport, url, limits, patience)
                with exchange.told(), exchange.response() as response:
                    if response.status_code not in _REDIRECTS:
                        return exchange.save(response, part)
                    url = self._guard.admit_redirect(url, exchange.location(response))
        raise UrlUnreachable(f"{host_of(url)} redirects more than {MAX_REDIRECTS} times. Give the file's own URL.")


@dataclass(frozen=True)
class _Exchange:
    """One request to one host, and what became of it in words that name no more than the host."""

    transport: httpx.BaseTransport
    url: httpx.URL
    limits: FetchLimits
    patience: Patience

    @property
    def host(self) -> str:
        return host_of(self.url)

    @contextlib.contextmanager
    def response(self) -> Iterator[httpx.Response]:
        limits = self.limits
        silence = limits.silence_seconds
        timeout = {"connect": limits.connect_seconds, "read": silence, "write": silence, "pool": silence}
        request = httpx.Request("GET", self.url, headers=_HEADERS, extensions={"timeout": timeout})
        with contextlib.closing(self.transport.handle_request(request)) as response:
            yield response

    def location(self, response: httpx.Response) -> str:
        if location := response.headers.get("Location"):
            return str(location)
        raise UrlUnreachable(f"{self.host} redirects to nowhere. Give the file's own URL.")

    def save(self, response: httpx.Response, part: Path) -> Downloaded:
        self._require_file(response)
        digest = hashlib.sha256()
        size = 0
        with _disk_full_told(), part.open("wb") as file:
            for chunk in response.iter_raw():
                size += len(chunk)
                self._require_small(size)
                digest.update(chunk)
                file.write(chunk)
        return Downloaded(size, digest.hexdigest(), self.host)

    def _require_file(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _PASSING or status >= 500:
            raise UrlUnavailable(f"{self.host} can't send the file at the moment (status {status}). Try again later.")
        if status != 200:
            raise UrlUnreachable(
                f"{self.host} doesn't send the file (status {status}). Check that the URL is right and still valid."
            )
        if _COMPRESSED & {token.strip().lower() for token in response.headers.get("Content-Encoding", "").split(",")}:
            raise UrlUnreachable(f"{self.host} compresses the file although it was asked not to. Serve it as it is.")
        if (length := response.headers.get("Content-Length", "")).isdecimal():
            self._require_small(int(length))

    def _require_small(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise DownloadTooLarge(f"The file at {self.host} is larger than {self.limits.max_bytes} bytes.")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turn the network's errors into ours; the guard's and the job's own pass."""
        try:
            yield
        except httpx.TransportError as error:
            raise self._reason(error) from error

    def _reason(self, error: httpx.TransportError) -> EngineError:
        if self.patience.exhausted:
            return UrlUnavailable(f"{self.host} took longer than {self.limits.total_seconds:g} s to send the file.")
        if isinstance(error, httpx.TimeoutException):
            return UrlUnavailable(f"{self.host} doesn't answer. Try again later.")
        if is_certificate_error(error):
            return UrlUnreachable(f"{self.host} has no valid certificate for its name.")
        if isinstance(error, httpx.ConnectError):
            return UrlUnavailable(f"No connection to {self.host} could be made. Check the URL, or try again later.")
        return UrlUnavailable(f"The connection to {self.host} broke before the file was whole. Try again.")


@contextlib.contextmanager
def _disk_full_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("The disk is full. Try again later.") from error
        raise
