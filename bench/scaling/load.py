"""What callers ask of the modelled endpoint: the simulation's visits, at any rate and for as long as wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from bench.scaling.arrivals import Pattern, arrivals
from bench.scaling.modelled_endpoint import Session, Step
from bench.scaling.visits import Habits, Visit


@dataclass(frozen=True)
class Load:
    """``sessions`` an hour on average, over ``hours``. In a burst there come ``times`` as many; it lasts ``lasting``
    seconds, and from the end of one to the beginning of the next it is ``apart`` on average."""

    sessions: float
    hours: float
    times: float = 4.0
    lasting: float = 60.0
    apart: float = 540.0
    habits: Habits = field(default_factory=Habits)

    @property
    def pattern(self) -> Pattern:
        """Its rate between bursts makes the average what it is."""
        in_bursts = self.lasting / (self.lasting + self.apart)
        rate = self.sessions / 3600 / (1 + (self.times - 1) * in_bursts)
        return Pattern(rate, self.times, self.lasting, self.apart)


def sessions(load: Load, seed: int) -> tuple[Session, ...]:
    """The same for the same seed: each makes a session once, and then its videos."""
    random = Random(f"visits of {seed}")
    begins = arrivals(load.pattern, load.hours * 3600, seed).at
    return tuple(Session(at, _steps(load.habits, random)) for at in begins)


def sessions_of(visits: Iterable[Visit]) -> tuple[Session, ...]:
    """The very jobs that real workers were given."""
    return tuple(
        Session(visit.begins, tuple(Step(job.input.get("action", "generate"), job.pause) for job in visit.jobs))
        for visit in visits
    )


def _steps(habits: Habits, random: Random) -> tuple[Step, ...]:
    videos = random.randint(1, habits.most_videos)
    return (Step("create_session"), *(Step("generate", random.expovariate(1 / habits.pause)) for _ in range(videos)))
