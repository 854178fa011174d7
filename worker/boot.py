"""How a worker started: the seconds of each part, and the record that it leaves of itself."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.boot_record import BootRecord, write_boot_record
from engine.engine import Engine
from engine.errors import EngineError

logger = logging.getLogger(__name__)


class BootPhases:
    """Notes how long each part of the start takes, in seconds; what came before it was made is the first part."""

    def __init__(self, age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = {"importing": age}
        self._clock = clock

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = self._clock()
        yield
        self.seconds[name] = self._clock() - began

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.seconds.items())


def process_age() -> float:
    """Seconds since this process began; 0 where the system doesn't tell as Linux does (proc(5))."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def record_boot(engine: Engine, phases: BootPhases, environ: Mapping[str, str]) -> None:
    """Leave the worker's record in the store. One that can't be written keeps no worker from its jobs."""
    pod = environ.get("RUNPOD_POD_ID") or socket.gethostname()
    record = BootRecord.of(pod, engine.health(), phases.seconds, datetime.now(UTC))
    try:
        write_boot_record(engine.store, record)
    except EngineError as error:
        logger.warning("The worker's boot record could not be written: %s", error.message)
