"""Connections to addresses that the guard has vetted, watched for a cancel and for the time in all."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import httpcore

from engine.fetching.addresses import IPAddress
from engine.fetching.guard import Guard
from engine.fetching.patience import Patience

T = TypeVar("T")


@dataclass(frozen=True)
class VettedBackend(httpcore.NetworkBackend):
    """Resolves a host once for each connection, vets all its addresses, and connects to one of these.

    The layers above keep the host's name, and with it the Host header, SNI and the certificate's check.
    """

    guard: Guard
    patience: Patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("no address")
        for address in self.guard.addresses(host, port, self.patience, timeout):
            try:
                return self._connect(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _connect(
        self,
        address: IPAddress,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> WatchedStream:
        connection = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in socket_options or ():
                connection.setsockopt(*option)
            if local_address is not None:
                connection.bind((local_address, 0))
            _connect_watched(connection, (str(address), port), self.patience, timeout)
        except OSError as error:
            connection.close()
            raise httpcore.ConnectError(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return WatchedStream(connection, self.patience)


class WatchedStream(httpcore.NetworkStream):
    """A connected socket, plain or TLS, whose every wait obeys a Patience."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        failures = (httpcore.ReadTimeout, httpcore.ReadError)
        return self._watched(lambda: self._connection.recv(max_bytes), timeout, failures)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        failures = (httpcore.WriteTimeout, httpcore.WriteError)
        rest = memoryview(buffer)
        while rest:
            rest = rest[self._send(rest, timeout, failures) :]

    def _send(self, rest: memoryview, timeout: float | None, failures: _Failures) -> int:
        return self._watched(lambda: self._connection.send(rest), timeout, failures)

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            wrapped = ssl_context.wrap_socket(
                self._connection, server_hostname=server_hostname, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error
        stream = WatchedStream(wrapped, self._patience)
        try:
            stream._watched(wrapped.do_handshake, timeout, (httpcore.ConnectTimeout, httpcore.ConnectError))
        except BaseException:
            stream.close()
            raise
        return stream

    def get_extra_info(self, info: str) -> object:
        if info == "ssl_object":
            return self._connection if isinstance(self._connection, ssl.SSLSocket) else None
        if info == "client_addr":
            return self._connection.getsockname()
        if info == "server_addr":
            return self._connection.getpeername()
        if info == "socket":
            return self._connection
        if info == "is_readable":
            return _is_ready(self._connection, selectors.EVENT_READ, 0)
        return None

    def _watched(self, step: Callable[[], T], timeout: float | None, failures: _Failures) -> T:
        """Repeat a socket's step, which picks up where its timeout stopped it, until the patience ends."""
        too_late, broken = failures
        for seconds in self._patience.slices(timeout):
            self._connection.settimeout(seconds)
            try:
                return step()
            except TimeoutError:
                continue
            except OSError as error:
                raise broken(str(error)) from error
        raise too_late("the peer was silent")


_Failures = tuple[type[httpcore.TimeoutException], type[httpcore.NetworkError]]


def _connect_watched(
    connection: socket.socket, address: tuple[str, int], patience: Patience, timeout: float | None
) -> None:
    connection.setblocking(False)
    if (state := connection.connect_ex(address)) not in (0, errno.EINPROGRESS):
        raise OSError(state, os.strerror(state))
    for seconds in patience.slices(timeout):
        if _is_ready(connection, selectors.EVENT_WRITE, seconds):
            if state := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(state, os.strerror(state))
            return
    raise httpcore.ConnectTimeout("no answer")


def _is_ready(connection: socket.socket, event: int, seconds: float) -> bool:
    # A closed socket counts as readable, as it does for the layers that ask before they use a connection again.
    if connection.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(connection, event)
        return bool(selector.select(seconds))
