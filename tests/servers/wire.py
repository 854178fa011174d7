"""A line to a server on this machine that can go dead without a sign."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """A proxy whose open connections can be made deaf: they stay open, and nothing passes any more."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = str(address.hostname), int(address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._deaf = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def deafen(self) -> None:
        """All connections of now are dead; later ones aren't."""
        self._deaf.set()
        self._deaf = threading.Event()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._open):
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open += near, far
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink, self._deaf), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if deaf.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def wire(target: str) -> Iterator[Wire]:
    with closing(Wire(target)) as made:
        yield made
