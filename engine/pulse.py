"""A beat in the background of a job: it keeps the job's record alive and notices that the job is no longer wanted."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors import EngineError

log = logging.getLogger(__name__)


@contextmanager
def beating(beat: Callable[[], None], every: float) -> Iterator[None]:
    """Call ``beat`` every so many seconds in a thread of its own until the block is left.

    A beat that fails is logged, and the next one is tried: the job goes on as long as it can.
    """
    left = threading.Event()

    def work() -> None:
        while not left.wait(every):
            try:
                beat()
            except EngineError as error:
                log.warning("The job's heartbeat failed: %s", error.message)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
