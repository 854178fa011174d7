"""Clients that poll, in a process of their own: `python -m bench.polling_clients HOST PORT CLIENTS RATE SECONDS`.

Each has a connection and a session, and asks for its status at its appointed times, whether the last answer came early
or late. An answer's time runs from when its request was due: one that could only be sent late, because the one before
it was still out, counts as slow. What is measured is printed as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass
class Taken:
    """What came of the requests. seconds: of every answer with status 200; late: how much later than due each was
    sent."""

    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    failed: int = 0

    def forget(self) -> None:
        self.seconds.clear()
        self.late.clear()
        self.failed = 0


class Client(asyncio.Protocol):
    """One connection, which sends a request only once the one before it is answered."""

    def __init__(self, request: bytes, clock: Callable[[], float], taken: Taken) -> None:
        self._request = request
        self._clock = clock
        self._taken = taken
        self._due: deque[float] = deque()
        self._is_out = False
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._taken.failed += len(self._due)
        self._due.clear()

    def ask(self, due: float) -> None:
        self._due.append(due)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END_OF_HEAD)
        if not end or len(body) < _length(head):
            return
        self._received = b""
        self._is_out = False
        due = self._due.popleft()
        if head.startswith(b"HTTP/1.1 200"):
            self._taken.seconds.append(self._clock() - due)
        else:
            self._taken.failed += 1
        self._send()

    def close(self) -> None:
        self._due.clear()
        self._transport.close()

    @property
    def is_waiting(self) -> bool:
        return bool(self._due)

    def _send(self) -> None:
        if self._due and not self._is_out:
            self._is_out = True
            self._taken.late.append(self._clock() - self._due[0])
            self._transport.write(self._request)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0])


@dataclass(frozen=True)
class Load:
    """``clients`` ask ``rate`` times a second, all together, for ``seconds``."""

    host: str
    port: int
    clients: int
    rate: float
    seconds: float

    def request(self, number: int) -> bytes:
        line = f"GET /api/v1/session/{session_of(number)}/status HTTP/1.1"
        return f"{line}\r\nHost: {self.host}:{self.port}\r\nAccept: */*\r\n\r\n".encode()


def session_of(number: int) -> str:
    """The session that a client asks for."""
    return f"polled-{number}"


PATIENCE_SECONDS = 10.0
"""How long the last answers may take."""


async def poll(load: Load) -> Taken:
    """Each client has asked once, uncounted, before anything is measured: a session that nobody has asked for yet has
    to be read first, and its client waits for the store."""
    taken = Taken()
    clients = [await _connected(load, number, taken) for number in range(load.clients)]
    await _ask(clients, load.clients, load.rate)
    taken.forget()
    await _ask(clients, int(load.rate * load.seconds), load.rate)
    taken.failed += sum(client.is_waiting for client in clients)
    for client in clients:
        client.close()
    return taken


async def _ask(clients: Sequence[Client], requests: int, rate: float) -> None:
    """So many requests, of the clients in turn, and their answers."""
    began = time.perf_counter() + 0.1
    for number in range(requests):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        clients[number % len(clients)].ask(due)
    end = time.perf_counter() + PATIENCE_SECONDS
    while any(client.is_waiting for client in clients) and time.perf_counter() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _connected(load: Load, number: int, taken: Taken) -> Client:
    client = Client(load.request(number), time.perf_counter, taken)
    await asyncio.get_running_loop().create_connection(lambda: client, load.host, load.port)
    return client


def told(taken: Taken) -> dict[str, Any]:
    """Milliseconds, by how many of a hundred took no longer."""
    return {
        "answered": len(taken.seconds),
        "failed": taken.failed,
        "median": _share(taken.seconds, 0.5),
        "p99": _share(taken.seconds, 0.99),
        "slowest": _share(taken.seconds, 1.0),
        "late_p99": _share(taken.late, 0.99),
    }


def _share(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


def main(arguments: Sequence[str]) -> None:
    host, port, clients, rate, seconds = arguments
    gc.disable()
    load = Load(host, int(port), int(clients), float(rate), float(seconds))
    print(json.dumps(told(uvloop.run(poll(load)))))


if __name__ == "__main__":
    main(sys.argv[1:])
