"""What a decoding process gives up before it looks at a caller's file."""

from __future__ import annotations

import os
import resource
import threading

OPEN_FILES = 24
LIFELINE = 0
"""Standard input: a pipe whose other end only the parent holds."""


def confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process's memory and CPU time, and take from it writing files, dumping core and living on alone."""
    _lower(resource.RLIMIT_AS, memory_bytes)
    _lower(resource.RLIMIT_CPU, cpu_seconds)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    threading.Thread(target=_die_with_the_parent, daemon=True).start()


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (allowed, allowed))


def _die_with_the_parent() -> None:
    # Not PR_SET_PDEATHSIG: that fires when the thread which started us ends, though the parent lives.
    while os.read(LIFELINE, 1):
        pass
    os._exit(1)
