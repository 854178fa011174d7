"""The decoding process's two ends: how it starts, and how it ends when a file is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import BinaryIO

from engine.media.confine import confine
from engine.media.source import SourceFile
from engine.media.wire import Kind, Reason, Refusal, Task, say

Work = Callable[[BinaryIO, Task, int], None]
"""Decodes an open file for a task and writes messages to a descriptor."""


def run(work: Work, arguments: list[str]) -> None:
    """Confine this process and decode the file that it was given open.

    arguments: the file's descriptor, the messages' descriptor, the Task as JSON.
    """
    source, target, task = int(arguments[0]), int(arguments[1]), Task(**json.loads(arguments[2]))
    confine(task.memory_bytes, task.cpu_seconds)
    try:
        with SourceFile(source) as file:
            work(file, task, target)
    except Refusal as refusal:
        say(target, Kind.REFUSAL, refusal.verdict)
    except MemoryError:
        say(target, Kind.REFUSAL, Refusal(Reason.MEMORY).verdict)
    # Not an ordinary exit: libav's threads may hold what an interpreter's end waits for.
    os._exit(0)
