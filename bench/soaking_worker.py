"""A worker that does many short jobs: ``python -m bench.soaking_worker JOBS AT_ONCE AVATARS``.

Avatars are 0.mp4, 1.mp4 and so on in the folder of the default avatar. The last line it prints is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.passage import PASSAGE
from bench.process_memory import resident_bytes
from engine.cancel import CancelToken
from engine.engine import Engine, Job
from engine.settings import read_settings
from engine.store.choose import choose_store

LOOKS = 10


def main(jobs: int, at_once: int, avatars: int) -> int:
    settings = read_settings()
    engine = Engine.open(settings, choose_store(settings, os.environ))
    engine.warm()
    for number in range(avatars):
        path = settings.default_avatar.with_name(f"{number}.mp4")
        _run(engine, {"action": "create_session", "session_id": str(number), "avatar_video_path": str(path)})
    held = []
    with ThreadPoolExecutor(at_once) as pool:
        for done in range(0, jobs, at_once):
            turns = range(done, min(done + at_once, jobs))
            list(pool.map(lambda turn: _speak(engine, turn, avatars), turns))
            if done * LOOKS // jobs != turns.stop * LOOKS // jobs:
                held.append({"jobs": turns.stop, "resident": resident_bytes(), "device": _device_bytes(engine)})
    sys.stdout.write(json.dumps(held) + "\n")
    return 0


def _speak(engine: Engine, turn: int, avatars: int) -> None:
    _run(engine, {"session_id": str(turn % avatars), "text": PASSAGE[turn % len(PASSAGE)][:20]})


def _run(engine: Engine, job_input: dict[str, Any]) -> None:
    engine.run(Job(f"job-{uuid.uuid4()}", job_input), lambda _: None, CancelToken())


def _device_bytes(engine: Engine) -> int | None:
    if engine.renderer.device != "cuda":
        return None
    import torch

    return torch.cuda.memory_reserved()


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
