"""Who goes first when there is less processor than work: requests, before the videos that are being made."""

from __future__ import annotations

import os
import threading

STEP = 10
LAST = 19


def step_back() -> None:
    """From here on the calling thread, and every thread and process that it starts, goes after the server's others.

    A poll takes the interpreter's lock a dozen times, and each time the encoder's threads, which don't need the lock,
    could keep the processor from whoever is next to have it.
    """
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(LAST, os.getpriority(os.PRIO_PROCESS, thread) + STEP))
