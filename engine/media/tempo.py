"""Which of a source's frames are shown at 25 frames a second, by their timestamps."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from engine.timebase import FRAME_RATE

LONGEST_PERIOD = Fraction(1)
SHORTEST_PERIOD = Fraction(1, 240)
LARGEST_TOLERANCE = Fraction(1, 2 * FRAME_RATE)


def usual_period(rate: Fraction | None) -> Fraction:
    """Seconds from frame to frame at ``rate`` frames a second, within reason; a 25th where there is no rate."""
    period = 1 / rate if rate else Fraction(1, FRAME_RATE)
    return min(max(period, SHORTEST_PERIOD), LONGEST_PERIOD)


class Clock:
    """Gives every frame of a source its time in seconds since the first, rising whatever its timestamps do."""

    def __init__(self, period: Fraction) -> None:
        self._period = period
        self._origin: Fraction | None = None
        self._last: Fraction | None = None

    def time(self, stamp: Fraction | None) -> Fraction:
        """The time of the next frame, whose timestamp is ``stamp`` seconds or missing.

        Where stamps go missing or back, time goes on by the usual period.
        """
        expected = Fraction(0) if self._last is None else self._last + self._period
        if stamp is None:
            self._last = expected
        elif self._origin is not None and self._last is not None and stamp - self._origin > self._last:
            self._last = stamp - self._origin
        else:
            self._origin, self._last = stamp - expected, expected
        return self._last


class Tempo:
    """Output i shows the latest frame whose time is at most i / 25 s, give or take half a tick of the source."""

    def __init__(self, tick: Fraction) -> None:
        self._tolerance = min(tick / 2, LARGEST_TOLERANCE)
        self._shown = 0

    def showings_before(self, time: Fraction) -> int:
        """How often the frame so far is shown, now that the next is to come at ``time`` seconds."""
        return self._up_to(ceil((time - self._tolerance) * FRAME_RATE))

    def showings_until(self, end: Fraction) -> int:
        """How often the last frame is shown when the source ends at ``end`` seconds; a clip has one frame at least."""
        return self._up_to(max(round(end * FRAME_RATE), 1))

    def _up_to(self, total: int) -> int:
        times = max(total - self._shown, 0)
        self._shown += times
        return times
