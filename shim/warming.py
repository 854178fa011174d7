"""What the address answers before the engine is warm, so that whoever waits for this server can tell that it comes.

A load balancer reads 204 at /ping as "not yet", and a closed port as broken.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.errors import ConfigurationError
from shim.errors import RETRY_AFTER_SECONDS
from shim.request_id import HEADER

PATH = "/ping"
BACKLOG = 2048
"""Connections that wait until the server takes them."""

_POLL_SECONDS = 0.05
_HEAD_SECONDS = 5.0
"""How long a client may take for its request."""


def listening(host: str, port: int) -> socket.socket:
    """A socket at this address, which clients may connect to at once. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "there is no such address"
        raise ConfigurationError(f"Nothing can listen at {host}:{port}: {reason}. Set HOST and PORT.") from None


@contextmanager
def warming(listener: socket.socket) -> Iterator[None]:
    """While it lasts /ping is 204, and all else a 503 that a retry helps with. The socket stays open after it."""
    server = ThreadingHTTPServer(listener.getsockname()[:2], _NotYet, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="warming", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _NotYet(BaseHTTPRequestHandler):
    timeout = _HEAD_SECONDS
    server_version = sys_version = ""

    def __getattr__(self, name: str) -> object:
        """One answer to every method: the base class looks for `do_GET` and the like."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        if self.path.partition("?")[0] == PATH:
            self.send_response_only(204)
            self.end_headers()
        else:
            self._refuse(uuid.uuid4().hex)

    def _refuse(self, request_id: str) -> None:
        told = "The server is starting and isn't ready yet. Send the request again in a few seconds."
        fields = {"error": "overloaded", "detail": told, "retryable": True, "request_id": request_id}
        body = json.dumps(fields).encode()
        self.send_response_only(503)
        headers = {"Content-Type": "application/json", "Retry-After": RETRY_AFTER_SECONDS, HEADER: request_id}
        for name, value in {**headers, "Content-Length": len(body), "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: who asks early is no news."""
