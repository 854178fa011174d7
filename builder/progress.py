"""How far the download is: a bar on a terminal, a line now and then everywhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

_BAR_CELLS = 30
_BAR_SECONDS = 0.2
_LINE_SECONDS = 10.0
_ERASE_LINE = "\r\x1b[K"


class Progress:
    """Counts the bytes of all files together; every method may be called from any thread."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._total = 0
        self._arrived = 0
        self._started = self._shown = clock()

    def expect(self, total: int) -> None:
        """Start counting towards ``total`` bytes."""
        with self._lock:
            self._total = total
            self._started = self._shown = self._clock()

    def hold(self, path: str, position: int) -> None:
        """``position`` bytes of a file are there without having come now."""
        with self._lock:
            self._held[path] = position

    def arrive(self, path: str, count: int) -> None:
        """``count`` more bytes of a file have come."""
        with self._lock:
            self._held[path] = self._held.get(path, 0) + count
            self._arrived += count
            now = self._clock()
            if now - self._shown >= (_BAR_SECONDS if self._is_terminal else _LINE_SECONDS):
                self._shown = now
                self._show(now - self._started)

    def say(self, sentence: str) -> None:
        """Print a line of its own."""
        with self._lock:
            self._stream.write(f"{_ERASE_LINE if self._is_terminal else ''}{sentence}\n")
            self._stream.flush()

    def _show(self, seconds: float) -> None:
        done = sum(self._held.values())
        rate = self._arrived / seconds
        left = (self._total - done) / rate
        text = f"{readable(done)} of {readable(self._total)}, {readable(round(rate))}/s, {_duration(left)} left"
        share = min(1.0, done / self._total)
        if self._is_terminal:
            full = int(share * _BAR_CELLS)
            self._stream.write(f"{_ERASE_LINE}[{'#' * full}{'.' * (_BAR_CELLS - full)}] {share:4.0%}  {text}")
        else:
            self._stream.write(f"{share:.0%}: {text}\n")
        self._stream.flush()


def readable(count: int) -> str:
    """A number of bytes in decimal units."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
