"""A viewer who watches a video while it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Arrival:
    """A fragment that came at ``at`` (seconds after the request) and plays for ``seconds``."""

    at: float
    seconds: float


@dataclass(frozen=True)
class Watched:
    """How the video was to watch. ``start``: when the picture began to move, in seconds after the request."""

    start: float
    underruns: int
    stalled: float


def watch(arrivals: Sequence[Arrival], prebuffer: float) -> Watched:
    """Play as soon as ``prebuffer`` seconds of video are there, or all of it; stand still wherever it runs out."""
    start = _start(arrivals, prebuffer)
    due, underruns, stalled = start, 0, 0.0
    for arrival in arrivals:
        if arrival.at > due:
            underruns += 1
            stalled += arrival.at - due
            due = arrival.at
        due += arrival.seconds
    return Watched(start, underruns, stalled)


def gaps(arrivals: Sequence[Arrival]) -> list[float]:
    """Seconds between one fragment and the next."""
    return [later.at - earlier.at for earlier, later in pairwise(arrivals)]


def _start(arrivals: Sequence[Arrival], prebuffer: float) -> float:
    there = 0.0
    for arrival in arrivals:
        there += arrival.seconds
        if there >= prebuffer:
            return arrival.at
    return arrivals[-1].at
