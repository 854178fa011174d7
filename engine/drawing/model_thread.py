"""The one thread that the model belongs to."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from engine.lipsync.renderer import DeviceBroken
from engine.outages import DeviceFailed

T = TypeVar("T")


def device_failed() -> DeviceFailed:
    """What a job is told whose device has failed."""
    return DeviceFailed("The worker's GPU has failed. Try again: another worker takes this one's place.")


class ModelThread:
    """Runs one thing after another, in the order they come: batches of frames, and whatever else needs the device.

    No other thread touches the device, so nothing ever waits inside it for another thread's work. ``worn``: whether
    the device ran out of memory for good, or failed, and a fresh process should take this one's place.
    """

    def __init__(self) -> None:
        self.worn = False
        self._thread: int | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model", initializer=self._begin)

    def run(self, errand: Callable[[], T]) -> T:
        """Do ``errand`` in the thread and return what it returns, or raise what it raises.

        From the thread itself it is done at once. It sees the caller's context variables: what it logs is its job's.
        Raises DeviceFailed where the device has failed; then the thread is worn.
        """
        if threading.get_ident() == self._thread:
            return errand()
        try:
            return self._pool.submit(contextvars.copy_context().run, errand).result()
        except DeviceBroken as error:
            self.worn = True
            raise device_failed() from error

    def post(self, errand: Callable[[], T]) -> Future[T]:
        """Do ``errand`` in the thread when its turn comes, and don't wait for it."""
        return self._pool.submit(errand)

    def close(self) -> None:
        """Do what was posted, and end the thread: once every job has left the frame loop."""
        self._pool.shutdown()

    def _begin(self) -> None:
        self._thread = threading.get_ident()
