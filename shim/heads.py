"""HTTP as uvicorn speaks it, but with an end to what a client may send before anything comes of it.

By itself uvicorn keeps a head of any length in memory, and waits for its end for ever; it does so before anybody is
asked for a key.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 * 1024
"""Of a request's line and headers, of a body's trailers, and of whatever else is neither."""

MOST_SECONDS = 30.0


class BoundedHeads(HttpToolsProtocol):
    """One connection. It ends when ``most_bytes`` or ``most_seconds`` have brought neither a whole head nor a piece of
    a body."""

    most_bytes = MOST_BYTES
    most_seconds = MOST_SECONDS

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._came = False
        self._unused = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._came = False
        super().data_received(data)
        if self._came:
            self._unused = 0
            self._wait_no_more()
            return
        self._unused += len(data)
        self._wait()
        if self._unused > self.most_bytes and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._came = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._came = True
        super().on_message_complete()

    def _wait(self) -> None:
        if self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(self.most_seconds, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
