"""A worker whose device has no memory for one avatar: run as a program, in handler.py's place.

Which avatar a shot is of is told by how many frames the avatar has. What is drawn of HELD_FRAMES is not finished before
a file named GO_ON lies in the worker's folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.engine import Engine
from engine.lipsync.choose import choose_renderer
from engine.lipsync.preview import PreviewDrawing, PreviewLipSync
from engine.lipsync.renderer import DeviceMemoryExhausted, Finish, Shot
from engine.settings import read_settings
from engine.store.choose import choose_store
from engine.video.i420 import I420
from handler import serve
from worker import logs, sdk
from worker.boot import BootPhases, process_age

TOO_LARGE_FRAMES = 10
HELD_FRAMES = 12
GO_ON = "go-on"


def finished(finish: Finish, shot: Shot) -> I420:
    while len(shot.track.boxes) == HELD_FRAMES and not Path(GO_ON).exists():
        time.sleep(0.02)
    return finish()


@dataclass(frozen=True)
class HeldDrawing(PreviewDrawing):
    shots: Sequence[Shot]

    def wait(self) -> list[Finish]:
        return [partial(finished, finish, shot) for finish, shot in zip(super().wait(), self.shots, strict=True)]


class ScarceMemory(PreviewLipSync):
    """One shot at a time, so that no batch is of two jobs."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return (1,)

    def begin(self, shots: Sequence[Shot]) -> HeldDrawing:
        if any(len(shot.track.boxes) == TOO_LARGE_FRAMES for shot in shots):
            raise DeviceMemoryExhausted
        return HeldDrawing(super().begin(shots).pictures, shots)


def main() -> int:
    phases = BootPhases(process_age())
    runpod = sdk.load()
    settings = read_settings()
    logs.configure(settings.log_level, os.environ)
    renderer = replace(choose_renderer(settings), lipsync=ScarceMemory())
    engine = Engine.open(settings, choose_store(settings, os.environ), renderer)
    return serve(runpod, settings, engine, phases, os.environ)


if __name__ == "__main__":
    sys.exit(main())
