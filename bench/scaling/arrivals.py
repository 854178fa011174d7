"""When callers come: a Poisson process, with bursts in which they come more often.

By thinning (Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979): arrivals at the
highest rate of all, of which each is kept with the share that the rate at its time has of it. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Pattern:
    """``rate`` arrivals a second, and ``times`` as many in a burst. Bursts last ``lasting``, and from the end of one to
    the beginning of the next it is ``apart`` on average."""

    rate: float
    times: float
    lasting: float
    apart: float


@dataclass(frozen=True)
class Burst:
    """From ``begins`` to ``ends``."""

    begins: float
    ends: float


@dataclass(frozen=True)
class Arrivals:
    """``at``, in order, and the bursts, also those in which by chance nobody came."""

    at: tuple[float, ...]
    bursts: tuple[Burst, ...]


def arrivals(pattern: Pattern, seconds: float, seed: int) -> Arrivals:
    """All of the first ``seconds``: the same for the same seed."""
    random = Random(seed)
    bursts = tuple(_bursts(pattern, seconds, random))
    highest = pattern.rate * max(1.0, pattern.times)
    kept = (at for at in _steady(highest, seconds, random) if random.random() < _rate(pattern, bursts, at) / highest)
    return Arrivals(tuple(kept), bursts)


def _bursts(pattern: Pattern, seconds: float, random: Random) -> Iterator[Burst]:
    begins = random.expovariate(1 / pattern.apart)
    while begins < seconds:
        ends = begins + pattern.lasting
        yield Burst(begins, min(ends, seconds))
        begins = ends + random.expovariate(1 / pattern.apart)


def _steady(rate: float, seconds: float, random: Random) -> Iterator[float]:
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)


def _rate(pattern: Pattern, bursts: tuple[Burst, ...], at: float) -> float:
    in_burst = any(burst.begins <= at < burst.ends for burst in bursts)
    return pattern.rate * (pattern.times if in_burst else 1.0)
