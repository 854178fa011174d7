"""A worker whose device does odd things with some avatars: run as a program, in handler.py's place.

Which avatar a shot is of is told by how many frames the avatar has: there is no memory for one, the device fails at
another, kills the process at the next, never comes back from one, and takes its time with the last. What is drawn of
HELD_FRAMES is not finished before a file named GO_ON lies in the worker's folder. The preparation of ENDLESS_FRAMES
never ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.lipsync.choose import choose_renderer
from engine.lipsync.options import PreparationOptions
from engine.lipsync.preview import PreviewDrawing, PreviewLipSync
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.lipsync.renderer import (
    DeviceBroken,
    DeviceMemoryExhausted,
    FaceTrack,
    Finish,
    FrameSource,
    Progress,
    Shot,
)
from engine.settings import read_settings
from engine.store.choose import choose_store
from engine.video.i420 import I420
from handler import serve
from worker import logs, sdk
from worker.boot import BootPhases, process_age

TOO_LARGE_FRAMES = 10
HELD_FRAMES = 12
BREAKING_FRAMES = 14
DEADLY_FRAMES = 16
HANGING_FRAMES = 18
SLOW_FRAMES = 20
SLOW_SECONDS = 0.5
"""For one frame of SLOW_FRAMES."""
ENDLESS_FRAMES = 22
GO_ON = "go-on"


def finished(finish: Finish, shot: Shot) -> I420:
    while len(shot.track.boxes) == HELD_FRAMES and not Path(GO_ON).exists():
        time.sleep(0.02)
    return finish()


def no_memory() -> None:
    raise DeviceMemoryExhausted


def break_down() -> None:
    raise DeviceBroken("CUDA error: an illegal memory access was encountered")


AT_BEGIN: dict[int, Callable[[], object]] = {
    TOO_LARGE_FRAMES: no_memory,
    BREAKING_FRAMES: break_down,
    DEADLY_FRAMES: lambda: os.kill(os.getpid(), signal.SIGKILL),
    HANGING_FRAMES: lambda: time.sleep(3600),
    SLOW_FRAMES: lambda: time.sleep(SLOW_SECONDS),
}


@dataclass(frozen=True)
class HeldDrawing(PreviewDrawing):
    shots: Sequence[Shot]

    def wait(self) -> list[Finish]:
        return [partial(finished, finish, shot) for finish, shot in zip(super().wait(), self.shots, strict=True)]


class OddDevice(PreviewLipSync):
    """One shot at a time, so that no batch is of two jobs."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return (1,)

    def begin(self, shots: Sequence[Shot]) -> HeldDrawing:
        for shot in shots:
            AT_BEGIN.get(len(shot.track.boxes), lambda: None)()
        return HeldDrawing(super().begin(shots).pictures, shots)


class OddPreparer(PreviewPreparer):
    def prepare(
        self, frames: FrameSource, options: PreparationOptions, progress: Progress, cancel: CancelToken
    ) -> FaceTrack:
        track = super().prepare(frames, options, progress, cancel)
        while len(track.boxes) == ENDLESS_FRAMES:
            time.sleep(1)
        return track


def main() -> int:
    phases = BootPhases(process_age())
    runpod = sdk.load()
    settings = read_settings()
    logs.configure(settings.log_level, os.environ)
    renderer = replace(choose_renderer(settings), preparer=OddPreparer(), lipsync=OddDevice())
    engine = Engine.open(settings, choose_store(settings, os.environ), renderer)
    return serve(runpod, settings, engine, phases, os.environ)


if __name__ == "__main__":
    sys.exit(main())
