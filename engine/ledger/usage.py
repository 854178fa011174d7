"""What an owner has used on a day: counters that any worker adds to, by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from engine.ledger.entry import Entry
from engine.outages import Overloaded
from engine.owners import owner_folder
from engine.reading import read_as
from engine.records import sleep_up_to
from engine.store.protocol import ObjectStore, StoredObject

_ATTEMPTS = 60
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5
_DIGITS = 3
"""Seconds are added up as whole milliseconds, so that the order of those who add makes no difference."""

_REMEMBERED = 32
"""A writer whose answer was lost finds itself among the last, unless so many others came between."""


class Usage(BaseModel):
    """generations: finished videos. video_seconds: of them. gpu_seconds, speech_characters: also of those that their
    callers have cancelled."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    generations: int = 0
    video_seconds: float = 0.0
    gpu_seconds: float = 0.0
    speech_characters: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Usage:
        """What one generation adds."""
        return Usage(
            generations=1 if entry.ended == "done" else 0,
            video_seconds=round(entry.seconds, _DIGITS),
            gpu_seconds=round(entry.gpu_seconds, _DIGITS),
            speech_characters=entry.tts_characters,
        )

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            generations=self.generations + other.generations,
            video_seconds=round(self.video_seconds + other.video_seconds, _DIGITS),
            gpu_seconds=round(self.gpu_seconds + other.gpu_seconds, _DIGITS),
            speech_characters=self.speech_characters + other.speech_characters,
        )


class OwnersDay(BaseModel):
    """An owner's counters as they lie in the store. last: names of the entries that were added last."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str | None
    usage: Usage
    last: tuple[str, ...] = Field(())

    def with_entry(self, entry: Entry) -> Self:
        if entry.name in self.last:
            return self
        last = (*self.last, entry.name)[-_REMEMBERED:]
        return self.model_copy(update={"usage": self.usage + Usage.of(entry), "last": last})


def day_folder(day: date) -> str:
    """What the keys of a day's counters begin with."""
    return f"usage/{day.isoformat()}/"


def usage_key(day: date, owner: str | None) -> str:
    """Where an owner's counters of a day lie."""
    return f"{day_folder(day)}{owner_folder(owner)}.json"


def parse_day(found: StoredObject) -> OwnersDay:
    """Raises RecordDamaged."""
    return read_as(OwnersDay, found)


@dataclass(frozen=True)
class Counters:
    """The counters of a store. ``pause`` sleeps up to so many seconds."""

    store: ObjectStore
    pause: Callable[[float], None] = sleep_up_to

    def add(self, entry: Entry) -> None:
        """Count the generation. Raises Overloaded when others are first again and again, and what the store raises."""
        for attempt in range(_ATTEMPTS):
            if self._added(entry):
                return
            self.pause(min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))
        raise Overloaded("Too many videos of one owner end at the same time. Try again in a moment.")

    def day(self, day: date, owner: str | None) -> Usage:
        """What the owner has used on that day."""
        found = self.store.get(usage_key(day, owner))
        return Usage() if found is None else parse_day(found).usage

    def _added(self, entry: Entry) -> bool:
        key = usage_key(entry.day, entry.owner)
        found = self.store.get(key)
        if found is None:
            new = OwnersDay(owner=entry.owner, usage=Usage()).with_entry(entry)
            return self.store.put_if_absent(key, _body(new), "application/json") is not None
        old = parse_day(found)
        new = old.with_entry(entry)
        return new == old or self.store.put_if_match(key, _body(new), found.info.etag, "application/json") is not None


def _body(day: OwnersDay) -> bytes:
    return day.model_dump_json().encode()
