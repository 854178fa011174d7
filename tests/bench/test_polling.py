from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from bench.polling import QUICK, measure
from bench.polling_clients import Load, Taken, poll, session_of, told
from tests.servers.endpoint import S3Endpoint
from tests.servers.radosgw import radosgw as radosgw
from tests.worker.workers_bucket import WorkersBucket

FIRST = f"GET /api/v1/session/{session_of(0)}/status".encode()


async def polled(load: Load, slow: float = 0.0, status: str = "200 OK") -> Taken:
    """What the clients find of a server that answers the first of them ``slow`` seconds late, with this status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(slow if head.startswith(FIRST) else 0)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await poll(replace(load, port=server.sockets[0].getsockname()[1]))
    finally:
        server.close()
        # The connections' ends are heard of.
        await asyncio.sleep(0.05)


def test_answers_are_timed_from_when_they_were_due() -> None:
    # The first of ten clients waits 0.3 s for each of its answers, and is due every 0.1 s.
    taken = asyncio.run(polled(Load("127.0.0.1", 0, clients=10, rate=100, seconds=0.5), slow=0.3))
    assert (len(taken.seconds), taken.failed) == (50, 0)
    slow = sorted(taken.seconds)[-5:]
    assert slow[0] >= 0.3
    assert slow[-1] >= 5 * 0.3 - 4 * 0.1
    assert sorted(taken.seconds)[-6] < 0.25


def test_what_is_refused_has_failed() -> None:
    taken = asyncio.run(polled(Load("127.0.0.1", 0, clients=5, rate=100, seconds=0.2), status="429 Too Many Requests"))
    assert (taken.seconds, taken.failed) == ([], 20)
    assert told(taken)["answered"] == 0


def test_a_poll_costs_the_store_one_request_a_second_and_session(radosgw: S3Endpoint) -> None:
    report = measure(QUICK, WorkersBucket.on(radosgw).environment())
    (alone,) = report.alone
    assert (alone.answered, alone.failed) == (alone.rate * alone.seconds, 0)
    # Each client has asked once before, so the seconds in which its session may be read are two.
    assert 0 < alone.requests["get"] <= 2 * QUICK.clients + 1
    assert all(made.frame_rate > 0 for made in report.made)
    times, stored = report.tables()
    assert "20 clients" in times.title
    assert stored.title.endswith("in a bucket")
