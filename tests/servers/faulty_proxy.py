"""An HTTP server that hands requests on to another one, and spoils those it is told to."""

from __future__ import annotations

import http.client
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Kind = Literal["lose answer", "cut answer", "refuse", "cut request", "hang"]

LONGEST_HANG = 60.0
"""Seconds after which a request that is never answered is forgotten: its client has long given up."""


@dataclass(frozen=True)
class Fault:
    """Spoils the next request of ``method`` whose path contains ``part``.

    "lose answer": the server does as it is asked, and the connection breaks before the answer. "cut answer": half of
    the answer's body arrives. "refuse": the server never sees the request, the answer is ``status`` with ``code``. "cut
    request": the server never sees it, and the connection breaks. "hang": the answer takes ``seconds`` more; with
    infinity the server never sees the request. ``then`` runs after it.
    """

    method: str
    kind: Kind
    part: str = ""
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.0
    then: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """A request that the server has answered, whatever became of the answer; ``at`` is monotonic."""

    method: str
    path: str
    status: int
    at: float


@dataclass
class FaultyProxy:
    """``page_size`` limits each answer to a listing; ``dropped_headers``, in small letters, never reach the server.

    ``away``: the server is out of order, every answer is 503. weather: asked for the fault of each request for which
    none is planned. writing: held while the server changes something; a lock makes an atom of each change on a server
    that looks at conditions first and writes then.
    """

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    dropped_headers: frozenset[str] = frozenset()
    page_size: int | None = None
    away: bool = False
    weather: Callable[[str, str], Fault | None] = lambda method, path: None
    writing: AbstractContextManager[object] = field(default_factory=nullcontext)
    done: list[Done] = field(default_factory=list)

    def fault_of(self, method: str, path: str) -> Fault | None:
        if self.away:
            return Fault(method, "refuse")
        for fault in self.faults:
            if fault.method == method and fault.part in path:
                self.faults.remove(fault)
                return fault
        return self.weather(method, path)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone before its answer is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def faulty_proxy(port: int) -> Iterator[FaultyProxy]:
    """A proxy to the server at ``port`` of this machine."""
    proxy = FaultyProxy()
    server = _Server(("127.0.0.1", 0), partial(_Handler, proxy, port))
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: FaultyProxy, port: int, *arguments: Any) -> None:
        self._proxy = proxy
        self._port = port
        super().__init__(*arguments)

    def _serve(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._proxy.seen.append(Seen(self.command, self.path, dict(self.headers)))
        fault = self._proxy.fault_of(self.command, self.path)
        if fault is not None and fault.kind == "refuse":
            self._refuse(fault)
        elif fault is not None and fault.kind == "hang" and math.isinf(fault.seconds):
            time.sleep(LONGEST_HANG)
        elif fault is None or fault.kind != "cut request":
            self._forward(body, fault)
        if fault is not None:
            fault.then()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _refuse(self, fault: Fault) -> None:
        body = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
        self._answer(fault.status, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body)

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        dropped = self._proxy.dropped_headers | {"expect"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        upstream = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        reading = self.command in ("GET", "HEAD")
        with nullcontext() if reading else self._proxy.writing, closing(upstream):
            upstream.request(self.command, self._path(), body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        self._proxy.done.append(Done(self.command, self.path, answer.status, time.monotonic()))
        if fault is not None and fault.kind == "hang":
            time.sleep(fault.seconds)
        if fault is None or fault.kind != "lose answer":
            half = fault is not None and fault.kind == "cut answer"
            self._answer(answer.status, dict(answer.getheaders()), content[: len(content) // (2 if half else 1)])

    def _path(self) -> str:
        limited = self._proxy.page_size is not None and "list-type=2" in self.path
        return f"{self.path}&max-keys={self._proxy.page_size}" if limited else self.path

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the tests look at ``seen``."""
