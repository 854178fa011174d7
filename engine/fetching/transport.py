"""An httpx transport that holds every request to the guard's rules."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import httpcore
import httpx

from engine.fetching.connection import VettedBackend
from engine.fetching.guard import Guard
from engine.fetching.patience import Patience

_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}
_CAUGHT = tuple(_ERRORS)


class GuardedTransport(httpx.BaseTransport):
    """HTTP/1.1 over vetted connections, without proxies.

    Raises the guard's UrlNotAllowed, UrlUnreachable and UrlUnavailable beside httpx's own errors. A client that
    follows redirects through it has each of them checked.
    """

    def __init__(self, guard: Guard, tls: ssl.SSLContext, patience: Patience) -> None:
        self._guard = guard
        self._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=VettedBackend(guard, patience))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        self._guard.inspect(request.url)
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            answer = self._pool.handle_request(asked)
        body = _Body(answer)
        return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The bytes as they come over the wire."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        with _as_httpx():
            self._answer.close()


def is_certificate_error(error: httpx.TransportError) -> bool:
    """Whether a connection failed because the host has no valid certificate for its name."""
    reason: BaseException | None = error
    # By context, since the connection pool raises anew "from None", which drops the cause.
    while reason is not None and not isinstance(reason, ssl.SSLCertVerificationError):
        reason = reason.__context__
    return reason is not None


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except _CAUGHT as error:
        raise _ERRORS[type(error)](str(error)) from error
