"""The door of the store: records that somebody has damaged, or written by hand, and whoever reads them next.

A reader refuses with a typed error or goes on without the record. What is the neighbour's stays as it is to the byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from engine.records import SessionRecord
from tests.engine_ground import EngineGround
from tests.fuzz.door import Door
from tests.fuzz.drawn import Drawing
from tests.fuzz.kept_store import NEIGHBOUR, VICTIM, Party, fill, fill_common
from tests.fuzz.oddities import anything
from tests.fuzz.offline import offline
from tests.fuzz.readers import READERS_OF, readers
from tests.fuzz.record_change import change_of, changed
from tests.fuzz.snapshot import Snapshot

KINDS = {
    "session": rf"sessions/{VICTIM}-session\.json",
    "job": rf"jobs/{VICTIM}-job\.json",
    "halted job": rf"jobs/{VICTIM}-halted\.json",
    "kept speech": rf"outputs/.*/{VICTIM}-halted-.*/note\.json",
    "kept sound": rf"outputs/.*/{VICTIM}-halted-.*/sound\.pcm",
    "upload": rf"uploaded/{VICTIM}-upload\.json",
    "announced upload": rf"incoming/{VICTIM}-upload-coming\.json",
    "stream": rf"streams/{VICTIM}-job/stream\.json",
    "accepted job": rf"accepted/{VICTIM}-later\.json",
    "accepted request": rf"accepted/{VICTIM}-later\..*\.request",
    "lease": r"leases/.*\.json",
    "token": rf"tokens/{VICTIM}-token\.json",
    "keyed request": rf"requests/{VICTIM}-request\.json",
    "counters": r"usage/.*\.json",
    "ledger": rf"audit/.*/{VICTIM}-job-.*\.json",
    "boot record": rf"workers/{VICTIM}-pod\.json",
    "stop": r"stop\.json",
    "catalogue": r"catalogue/voices\.json",
}
"""The key of each kind's record, among those that are not the neighbour's."""


@dataclass
class KeptRecords:
    """``keys``: of the victim's records, by their kinds."""

    ground: EngineGround
    before: Snapshot
    keys: dict[str, str]
    neighbours: frozenset[str]
    likely: tuple[str, ...]
    odd: Drawing[Any]
    readers: dict[str, Callable[[], None]]

    def make(self, random: Random) -> bytes:
        kind = random.choice(list(self.keys))
        change = change_of(random, self.before.bodies[self.keys[kind]], self.likely, self.odd)
        through = random.choice(READERS_OF[kind])
        return json.dumps(
            {"kind": kind, "through": through, "other": random.choice(list(self.keys)), **change}
        ).encode()

    def run(self, case: bytes) -> None:
        wanted = json.loads(case)
        key, other = self.keys[wanted["kind"]], self.keys[wanted["other"]]
        body = changed(self.before.bodies[key], wanted, self.before.bodies[other])
        self.ground.engine.store.put(key, body, "application/json")
        try:
            self.readers[wanted["through"]]()
        finally:
            harmed = self.before.changes().all & self.neighbours
            left = self.ground.left_in_scratch()
            self.before.restore()
            assert not harmed, f"{wanted['through']} has changed {sorted(harmed)}"
            assert not left, left


@contextmanager
def kept_records(folder: Path) -> Iterator[KeptRecords]:
    ground = EngineGround(folder).open(max_text_characters=10)
    store = ground.engine.store
    fill(ground, Party(VICTIM), frames=4)
    fill_common(store)
    own = frozenset(info.key for info in store.list(""))
    fill(ground, Party(NEIGHBOUR), frames=5)
    before = Snapshot(store)
    keys = {kind: _only(own, pattern) for kind, pattern in KINDS.items()}
    found = ground.engine.records.sessions.get(Party(NEIGHBOUR).session)
    assert isinstance(found, SessionRecord)
    likely = (
        *_names(Party(NEIGHBOUR)),
        *_names(Party(VICTIM)),
        str(found.avatar_key),
        "../x",
        "a" * 64,
        "outputs/x/y.mp4",
    )
    with offline():
        yield KeptRecords(
            ground, before, keys, frozenset(before.bodies) - own, likely, Drawing(anything()),
            readers(ground, Party(VICTIM)),
        )  # fmt: skip


def _only(keys: frozenset[str], pattern: str) -> str:
    (found,) = [key for key in keys if re.fullmatch(pattern, key)]
    return found


def _names(party: Party) -> tuple[str, ...]:
    return (party.session, party.job, party.later, party.upload, party.owner)


DOOR = Door("records", cases=7_500, slice=25, limit=30, open=kept_records)
