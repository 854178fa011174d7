"""What a run has come to, and the line that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.chaos.accounts import Accounts

if TYPE_CHECKING:
    from tests.chaos.fleet import Fleet
    from tests.chaos.storm import Storm

COUNTED = (
    ("kill", "kills"),
    ("stop", "stops"),
    ("freeze", "freezes"),
    ("vanish", "vanishings"),
    ("slow disk", "slow disks"),
    ("store", "store faults"),
    ("queue", "queue faults"),
    ("voice", "voice faults"),
    ("job twice", "jobs handed out twice"),
)


@dataclass(frozen=True)
class Course:
    """How the run went. faults: what went wrong, by its kind, and of the store's faults each request that was struck.
    exits: by which code workers have ended by themselves."""

    seed: int
    seconds: float
    faults: Counter[str]
    workers: int
    exits: Counter[int]
    purchases: int


@dataclass(frozen=True)
class Findings:
    """objects: how many there were. torn: keys of those that were not whole. leftovers: how many of them nothing
    needed, before they were swept. unreferenced: keys of what nothing needs, after it. complaints: the rest."""

    accounts: Accounts
    objects: int
    torn: tuple[str, ...]
    leftovers: int
    unreferenced: tuple[str, ...]
    complaints: tuple[str, ...] = ()
    course: Course | None = field(default=None)

    def with_course(self, seed: int, seconds: float, storm: Storm, fleet: Fleet, purchases: int) -> Findings:
        faults = storm.done + Counter({"store": storm.weather.struck.total()})
        for kind in [kind for kind in storm.done if kind.startswith("queue")]:
            faults["queue"] += faults[kind]
        return replace(self, course=Course(seed, seconds, faults, len(fleet.all_workers), fleet.ended, purchases))

    @property
    def is_right(self) -> bool:
        return not list(self.wrong())

    def wrong(self) -> Iterator[str]:
        """All that is not as promised, a line each."""
        yield from self.accounts.wrong
        yield from (f"not whole: {key}" for key in self.torn)
        yield from (f"nothing refers to it, and no sweep takes it: {key}" for key in self.unreferenced)
        yield from self.complaints

    def details(self) -> Iterator[str]:
        """What there is to know beside the last line."""
        codes = sorted(self.accounts.codes.items(), key=lambda each: -each[1])
        yield "typed errors: " + (", ".join(f"{count} {code}" for code, count in codes) or "none")
        if self.course is not None:
            exits = ", ".join(f"{count} with {code}" for code, count in sorted(self.course.exits.items())) or "none"
            yield f"{self.course.workers} workers; ended by themselves: {exits}"
            yield f"{self.course.purchases} purchases of speech"

    def last_line(self) -> str:
        accounts = self.accounts
        jobs = (
            f"{accounts.count('result')} results, {accounts.count('error')} typed errors, "
            f"{accounts.count('cancelled')} cancelled, {accounts.count('lost')} lost, {len(accounts.doubled)} doubled"
        )
        objects = (
            f"{self.objects - len(self.torn):,} objects whole, {len(self.torn)} torn, {self.leftovers} leftovers "
            f"collected, {len(self.unreferenced)} unreferenced"
        )
        told = f"{'' if self.is_right else 'NOT AS PROMISED: '}{jobs}; {objects}"
        if self.course is None:
            return f"chaos: {len(accounts.ends)} jobs: {told}"
        struck = ", ".join(f"{self.course.faults[kind]} {name}" for kind, name in COUNTED)
        begun = f"chaos: seed {self.course.seed}: {len(accounts.ends)} jobs in {self.course.seconds:.0f} s"
        return f"{begun}: {told}; {struck}"
