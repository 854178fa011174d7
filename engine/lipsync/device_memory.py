"""What is done where the device has no memory for the networks' work, or fails."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import DeviceBroken, DeviceMemoryExhausted
from engine.outages import DeviceMemoryFull

log = logging.getLogger(__name__)

T = TypeVar("T")

DEVICE_FAILURES = ("CUDA error", "CUDA driver error", "cuDNN error", "NVRTC error")
"""How torch's messages begin where CUDA, or a library on it, has failed; afterwards every call of the process does."""


@contextmanager
def on_device() -> Iterator[None]:
    """The networks' work, for inference alone.

    Raises DeviceMemoryExhausted, and nothing holds what was made by then; DeviceBroken where CUDA has failed otherwise.
    """
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        # Its frames hold what the networks had made so far, for as long as anyone holds the error.
        traceback.clear_frames(error.__traceback__)
        raise DeviceMemoryExhausted from error
    except RuntimeError as error:
        if isinstance(error, torch.AcceleratorError) or str(error).startswith(DEVICE_FAILURES):
            raise DeviceBroken from error
        raise


def with_room(thread: ModelThread, errand: Callable[[], T], make_room: Callable[[], None]) -> T:
    """Do ``errand`` on the device, in its thread; where there is no memory for it, make room and do it once more.

    Raises DeviceMemoryFull where that doesn't help; then the thread is worn.
    """
    try:
        return thread.run(lambda: _done(errand))
    except DeviceMemoryExhausted:
        log.warning("The GPU's memory ran out: once more with less.")
        thread.run(make_room)
    try:
        return thread.run(lambda: _done(errand))
    except DeviceMemoryExhausted as error:
        thread.worn = True
        raise DeviceMemoryFull("The worker's GPU has no memory left for this. Try again.") from error


def _done(errand: Callable[[], T]) -> T:
    with on_device():
        return errand()
