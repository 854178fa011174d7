"""An HTTP server that hands requests on to another one, and spoils those it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Kind = Literal["lose answer", "cut answer", "refuse"]


@dataclass(frozen=True)
class Fault:
    """Spoils the next request of ``method`` whose path contains ``part``.

    "lose answer": the server does as it is asked, and the connection breaks before the answer. "cut answer": half of
    the answer's body arrives. "refuse": the server never sees the request, the answer is ``status`` with ``code``.
    ``then`` runs after it.
    """

    method: str
    kind: Kind
    part: str = ""
    status: int = 503
    code: str = "SlowDown"
    then: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class FaultyProxy:
    """``page_size`` limits each answer to a listing; ``dropped_headers``, in small letters, never reach the server.

    ``away``: the server is out of order, every answer is 503.
    """

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    dropped_headers: frozenset[str] = frozenset()
    page_size: int | None = None
    away: bool = False

    def fault_of(self, method: str, path: str) -> Fault | None:
        if self.away:
            return Fault(method, "refuse")
        for fault in self.faults:
            if fault.method == method and fault.part in path:
                self.faults.remove(fault)
                return fault
        return None


@contextmanager
def faulty_proxy(port: int) -> Iterator[FaultyProxy]:
    """A proxy to the server at ``port`` of this machine."""
    proxy = FaultyProxy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, proxy, port))
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
        else:
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
        with closing(upstream):
            upstream.request(self.command, self._path(), body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        if fault is None or fault.kind == "cut answer":
            self._answer(answer.status, dict(answer.getheaders()), content[: len(content) // (2 if fault else 1)])

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
