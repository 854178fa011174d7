"""A hundred clients poll while two videos are made."""

from __future__ import annotations

import asyncio
import statistics
import time

import httpx
import pytest

from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64

CLIENTS = 100


async def poll(http: httpx.AsyncClient, session_id: str, until: asyncio.Event, first_after: float) -> list[float]:
    """How long each poll took, one a second, as the contract's example polls."""
    seconds = []
    await asyncio.sleep(first_after)
    while not until.is_set():
        began = time.perf_counter()
        reply = await http.get(f"/api/v1/session/{session_id}/status")
        seconds.append(time.perf_counter() - began)
        assert reply.status_code == 200
        assert reply.json()["status"] == "ready"
        await asyncio.sleep(1.0)
    return seconds


async def make(http: httpx.AsyncClient, session_id: str) -> float:
    body = {"session_id": session_id, "audio_base64": wav_base64(hum(12))}
    reply = await http.post("/api/v1/generate/text-to-video", json=body)
    assert reply.status_code == 200, reply.text
    return float(reply.json()["duration"])


async def crowd(server: Server, session_id: str) -> tuple[list[float], list[float]]:
    limits = httpx.Limits(max_connections=CLIENTS + 2)
    made = asyncio.Event()
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits, trust_env=False) as http:
        polls = [asyncio.create_task(poll(http, session_id, made, n / CLIENTS)) for n in range(CLIENTS)]
        durations = await asyncio.gather(make(http, session_id), make(http, session_id))
        made.set()
        seconds = [second for polled in await asyncio.gather(*polls) for second in polled]
    return list(durations), seconds


@pytest.mark.timeout(120)
def test_polling_goes_on_while_videos_are_made(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    durations, seconds = asyncio.run(crowd(server, server.ready()))
    assert durations == [12.0, 12.0]
    assert len(seconds) >= CLIENTS
    with capsys.disabled():
        slowest = max(seconds)
        print(f"\n{len(seconds)} polls: median {1000 * statistics.median(seconds):.0f} ms, slowest {slowest:.2f} s")
