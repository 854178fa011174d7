"""The worker's door: a job from the queue, through the handler and the engine, to its answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from engine.errors import EngineError
from engine.schemas import parse_input
from handler import make_handler
from tests.engine_ground import EngineGround
from tests.fuzz.door import Door
from tests.fuzz.drawn import Drawing
from tests.fuzz.offline import offline
from tests.fuzz.requests import OTHER, OWNER, READY, Fields, jobs
from tests.fuzz.snapshot import Snapshot, body_at
from tests.worker.clips import grey_clip, talking_head
from worker.progress import Report
from worker.sdk import Handler
from worker.threads import JobThreads

LEFT_OF_A_FAILURE = {"jobs", "sessions", "owners", "avatars", "audit", "usage"}
"""What a job that fails at its work may leave: that it failed, the session that it made first, and what it has cost."""


class Defects(logging.Handler):
    """Keeps the traces of what the handler logs as a defect."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.traces: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.traces.append(logging.Formatter().formatException(record.exc_info))


@dataclass
class JobInputs:
    ground: EngineGround
    handler: Handler
    runner: asyncio.Runner
    defects: Defects
    reached: list[str]
    drawing: Drawing[Fields]
    before: Snapshot

    def make(self, random: Random) -> bytes:
        return json.dumps(self.drawing.draw(random)).encode()

    def run(self, case: bytes) -> str | None:
        job = json.loads(case)
        self.defects.traces.clear()
        answer = self.runner.run(self._answer(job))
        try:
            code = self._code_of(answer)
            self._check_store(job, code)
        finally:
            self.before.restore()
        return code

    async def _answer(self, job: Fields) -> dict[str, Any]:
        return await self.handler(job)

    def _code_of(self, answer: dict[str, Any]) -> str | None:
        """The error's code; None of a result. The answer has to be what the queue takes."""
        sent = json.dumps(answer, allow_nan=False)
        sent.encode()
        assert self.reached == [], f"connected to {self.reached}"
        assert self.ground.left_in_scratch() == []
        if "error" not in answer:
            assert answer
            return None
        error = json.loads(answer["error"])
        assert set(error) == {"code", "message", "retryable", "request_id"}, error
        assert "Traceback" not in error["message"]
        assert str(self.ground.folder) not in error["message"], error["message"]
        assert error["code"] != "internal_error", "\n".join([error["message"], *self.defects.traces])
        return str(error["code"])

    def _check_store(self, job: Fields, code: str | None) -> None:
        """A refused job leaves the store as it was, one that fails at its work no more than its record."""
        if code is None:
            return
        changes = self.before.changes()
        if _is_refused_by_its_form(job["input"]):
            assert not changes.all, f"{code}, and yet {changes}"
        assert not changes.gone, f"{code}, and yet {changes}"
        kinds = {key.partition("/")[0] for key in changes.added if not self._tells_of_failure(key)}
        assert kinds <= LEFT_OF_A_FAILURE, f"{code}, and yet {changes}"
        # A session that is spoken with lives longer, which its record says once a minute has passed.
        used = f"sessions/{job['input'].get('session_id')}.json" if isinstance(job["input"], dict) else ""
        others = {key for key in changes.changed if key != used and not key.startswith("usage/")}
        assert not others, f"{code}, and yet {changes}"

    def _tells_of_failure(self, key: str) -> bool:
        """Whether this is all that a failed stream leaves: the word to who follows it that nothing will come."""
        if not key.startswith("streams/") or not key.endswith("/stream.json"):
            return False
        return bool(json.loads(body_at(self.ground.engine.store, key))["state"] == "failed")


def _is_refused_by_its_form(job_input: object) -> bool:
    try:
        parse_input(job_input)
    except EngineError:
        return True
    return False


@asynccontextmanager
async def _nowhere(job_id: str) -> AsyncIterator[Report]:
    yield lambda update: None


def _prepared(folder: Path) -> EngineGround:
    """A worker with tight limits, and two sessions that are ready."""
    ground = EngineGround(folder).open(
        max_text_characters=6, max_audio_seconds=1, max_audio_bytes=60_000, max_avatar_seconds=1,
        max_avatar_bytes=1_000_000, max_avatar_pixels=300 * 300,
    )  # fmt: skip
    avatars = folder / "avatars"
    talking_head(avatars / "default.mp4", frames=4)
    grey_clip(avatars / "nobody.mp4", frames=3)
    (avatars / "text.mp4").write_text("not a video")
    (avatars / "playlist.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    ground.run({"action": "create_session", "session_id": READY})
    ground.run({"action": "create_session", "session_id": OTHER, "owner": OWNER})
    return ground


@contextmanager
def job_inputs(folder: Path) -> Iterator[JobInputs]:
    ground = _prepared(folder)
    threads, defects, logger = JobThreads(1), Defects(), logging.getLogger("handler")
    logger.addHandler(defects)
    handler = make_handler(ground.engine.run, threads, _nowhere)
    try:
        with asyncio.Runner() as runner, offline() as reached:
            before = Snapshot(ground.engine.store)
            yield JobInputs(ground, handler, runner, defects, reached, Drawing(jobs()), before)
    finally:
        logger.removeHandler(defects)
        threads.close()


DOOR = Door("job_inputs", cases=6_500, slice=20, limit=30, open=job_inputs)
