"""What became of a door's cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from tests.fuzz.door import TAKEN

WARM_SHARE = 5
"""One part in so many of the cases comes before memory counts."""
LEAST_CASES = 500
"""Fewer tell nothing of memory: caches still fill."""
GROWTH_SHARE, GROWTH_BYTES = 0.10, 16 * 2**20
"""After warm-up a process may grow by the larger of the two."""


@dataclass(frozen=True)
class Failure:
    """``number``: the case's, None where no case was at work. ``about``: one line. ``kept``: the file of the case."""

    number: int | None
    about: str
    kept: str | None = None


@dataclass
class Course:
    """The course of one door, as it grows. ``resident``: bytes after every case of the last process."""

    door: str
    codes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def taken(self) -> int:
        return self.codes[TAKEN]

    @property
    def typed(self) -> list[tuple[str, int]]:
        """Codes of errors with how often each came, the most frequent first."""
        return [(code, times) for code, times in self.codes.most_common() if code != TAKEN]

    @property
    def cases(self) -> int:
        return self.codes.total() + sum(failure.number is not None for failure in self.failures)

    @property
    def warm_bytes(self) -> int:
        """Resident memory after warm-up: the middle of a twentieth of the cases."""
        start = len(self.resident) // WARM_SHARE
        return self._middle(start, start + self._stretch)

    @property
    def end_bytes(self) -> int:
        return self._middle(len(self.resident) - self._stretch, len(self.resident))

    @property
    def grown(self) -> bool:
        """Whether memory grew by more than it may."""
        if len(self.resident) < LEAST_CASES:
            return False
        return self.end_bytes - self.warm_bytes > max(self.warm_bytes * GROWTH_SHARE, GROWTH_BYTES)

    @property
    def well(self) -> bool:
        return not self.failures and not self.grown

    @property
    def _stretch(self) -> int:
        return max(len(self.resident) // 20, 1)

    def _middle(self, start: int, end: int) -> int:
        return round(median(self.resident[start:end])) if self.resident else 0
