"""The engine's backend by itself: what no path of the API shows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.outages import Interrupted, Overloaded
from engine.schemas import CreateSession, Generate
from shim.backends import Fragment, Made
from shim.errors import GenerationFailed
from shim.in_process import InProcess
from tests.engine_ground import EngineGround
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64

LONG = wav_base64(hum(60))


@pytest.fixture
def ground(tmp_path: Path, tiny_avatar: Path) -> EngineGround:
    ground = EngineGround(tmp_path).open(max_concurrency=1)
    shutil.copy(tiny_avatar, tmp_path / "avatars" / "default.mp4")
    return ground


@asynccontextmanager
async def started(ground: EngineGround) -> AsyncIterator[InProcess]:
    """The backend with a session `s` that is ready."""
    backend = InProcess(ground.engine)
    await backend.start()
    try:
        await backend.create_session(CreateSession(action="create_session"), "s")
        await asyncio.to_thread(wait_until, lambda: ground.engine.sessions.get("s").status == "ready")
        yield backend
    finally:
        await backend.close()


def run(ground: EngineGround, scenario: Callable[[InProcess], Awaitable[None]]) -> None:
    async def work() -> None:
        async with started(ground) as backend:
            await scenario(backend)

    asyncio.run(asyncio.wait_for(work(), 60))


async def running(ground: EngineGround, job_id: str) -> None:
    def is_running() -> bool:
        record = ground.engine.records.jobs.get(job_id)
        return record is not None and record.state == "running"

    await asyncio.to_thread(wait_until, is_running)


def state_of(ground: EngineGround, job_id: str) -> str:
    record = ground.engine.records.jobs.get(job_id)
    assert record is not None
    return record.state


def test_a_job_is_cancelled_by_its_id_and_frees_its_place(ground: EngineGround) -> None:
    async def scenario(backend: InProcess) -> None:
        made = asyncio.create_task(backend.generate(Generate(session_id="s", audio_base64=LONG), "long"))
        await running(ground, "long")
        with pytest.raises(Overloaded):
            await backend.generate(Generate(session_id="s", audio_base64=LONG), "second")
        await backend.cancel("no such job")
        await backend.cancel("long")
        with pytest.raises(GenerationFailed) as failed:
            await made
        assert isinstance(failed.value.cause, Interrupted)
        assert state_of(ground, "long") == "cancelled"
        short = Generate(session_id="s", audio_base64=wav_base64(hum(0.2)))
        assert (await backend.generate(short, "third")).record_id == "third"

    run(ground, scenario)


def test_closing_a_stream_cancels_its_job_and_waits_for_it(ground: EngineGround) -> None:
    async def scenario(backend: InProcess) -> None:
        events = backend.stream(Generate(session_id="s", audio_base64=LONG), "stream")
        async for event in events:
            if isinstance(event, Fragment):
                break
        await events.aclose()
        assert state_of(ground, "stream") == "cancelled"
        assert ground.left_in_scratch() == []

    run(ground, scenario)


def test_a_stream_ends_with_what_was_made(ground: EngineGround) -> None:
    async def scenario(backend: InProcess) -> None:
        short = Generate(session_id="s", audio_base64=wav_base64(hum(0.4)))
        *_, last = [event async for event in backend.stream(short, "short")]
        assert isinstance(last, Made)
        assert last.generated.frames == 10
        assert state_of(ground, "short") == "done"

    run(ground, scenario)


def test_a_backend_that_closes_stops_its_jobs(ground: EngineGround) -> None:
    failures: list[BaseException | Made] = []

    async def scenario(backend: InProcess) -> None:
        made = asyncio.create_task(backend.generate(Generate(session_id="s", audio_base64=LONG), "cut"))
        await running(ground, "cut")
        await backend.close()
        failures.extend(await asyncio.gather(made, return_exceptions=True))

    run(ground, scenario)
    assert isinstance(failures[0], GenerationFailed)
    assert state_of(ground, "cut") == "cancelled"
    assert ground.left_in_scratch() == []
