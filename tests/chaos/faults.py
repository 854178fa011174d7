"""What goes wrong in a run, and when: a list of events that depends on nothing but the seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.servers.elevenlabs import Behaviour

Kind = Literal[
    "kill",
    "stop",
    "freeze",
    "vanish",
    "slow disk",
    "store refuses",
    "store is slow",
    "store hangs",
    "store cuts requests",
    "store loses answers",
    "store halves answers",
    "queue cuts",
    "queue loses answers",
    "queue refuses",
    "job twice",
    "voice",
]

A_MINUTE: dict[Kind, float] = {
    "kill": 5.0,
    "stop": 3.0,
    "freeze": 1.0,
    "vanish": 0.6,
    "slow disk": 2.0,
    "store refuses": 3.0,
    "store is slow": 1.5,
    "store hangs": 1.0,
    "store cuts requests": 1.5,
    "store loses answers": 2.0,
    "store halves answers": 1.0,
    "queue cuts": 4.0,
    "queue loses answers": 4.0,
    "queue refuses": 2.0,
    "job twice": 2.0,
    "voice": 8.0,
}
"""How often each comes."""

SECONDS: dict[Kind, tuple[float, float]] = {
    "stop": (1.0, 40.0),
    "freeze": (0.5, 8.0),
    "vanish": (2.0, 14.0),
    "slow disk": (5.0, 15.0),
    "store refuses": (1.0, 8.0),
    "store is slow": (2.0, 8.0),
    "store hangs": (0.5, 2.0),
    "store cuts requests": (1.0, 6.0),
    "store loses answers": (1.0, 6.0),
    "store halves answers": (1.0, 4.0),
}
"""From the shortest to the longest. Of a stop: until a worker that still runs is killed."""

OPERATIONS = ("job-take", "job-take-batch", "job-done", "job-done", "job-stop", "ping")
"""Of the queue, by their weight."""

BEHAVIOURS = (
    Behaviour.SERVER_ERROR,
    Behaviour.HTML_502,
    Behaviour.PLAIN_429,
    Behaviour.TOO_MANY_CONCURRENT,
    Behaviour.CUT_AT_ONCE,
    Behaviour.CUT_MID_STREAM,
    Behaviour.TRUNCATED_BASE64,
    Behaviour.ODD_PCM,
    Behaviour.SLOW,
    Behaviour.SMALL_WRITES,
    Behaviour.NO_CREDITS,
)


@dataclass(frozen=True)
class Event:
    """``at`` seconds from the beginning, for ``seconds``. slot: the worker that it strikes. share: of the requests
    during that time. detail: the queue's operation, or the voice's behaviour."""

    at: float
    kind: Kind
    seconds: float = 0.0
    slot: int | None = None
    share: float = 1.0
    detail: str = ""

    def __str__(self) -> str:
        told = [f"{self.at:6.1f} s  {self.kind}"]
        told += [] if self.slot is None else [f"worker {self.slot}"]
        told += [f"for {self.seconds:.1f} s"] if self.seconds else []
        told += [f"{self.share:.0%} of requests"] if self.share < 1 else []
        return ", ".join([*told, *([self.detail] if self.detail else [])])


def events(seed: int, seconds: float, workers: int) -> tuple[Event, ...]:
    """All that goes wrong in so many seconds, in order: each kind at least once, unless it is rare and time short."""
    random = Random(f"faults of {seed}")
    found = (_event(kind, seconds, workers, random) for kind in A_MINUTE for _ in range(_count(kind, seconds)))
    return tuple(sorted(found, key=lambda event: event.at))


def _count(kind: Kind, seconds: float) -> int:
    return round(A_MINUTE[kind] * seconds / 60)


def _event(kind: Kind, seconds: float, workers: int, random: Random) -> Event:
    at = round(random.uniform(0.03, 1.0) * seconds, 1)
    lasting = round(random.uniform(*SECONDS.get(kind, (0.0, 0.0))), 1)
    if kind in ("kill", "stop", "freeze", "vanish", "slow disk"):
        return Event(at, kind, lasting, slot=random.randrange(workers))
    if kind.startswith("store"):
        return Event(at, kind, lasting, share=random.choice((0.1, 0.3, 1.0)))
    if kind.startswith("queue"):
        return Event(at, kind, detail=random.choice(OPERATIONS))
    return Event(at, kind, detail=random.choice(BEHAVIOURS) if kind == "voice" else "")


def counted(planned: tuple[Event, ...]) -> Iterator[tuple[str, int]]:
    """How many events there are of each kind."""
    for kind in A_MINUTE:
        yield kind, sum(event.kind == kind for event in planned)
