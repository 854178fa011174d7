"""Whether speech was bought again that lay whole in the store."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.servers.elevenlabs import Asked
from tests.servers.faulty_proxy import Done

_NOTE = re.compile(r".*/outputs/[^/]+/(.+)-[0-9a-f]{8}/speech/note\.json(\?.*)?")


@dataclass(frozen=True)
class Spoken:
    """A text that only one job has, with the id of the job's record and when it was handed out each time."""

    text: str
    record_id: str
    begun: tuple[float, ...]


def kept_at(done: Iterable[Done]) -> dict[str, float]:
    """When the speech of each job, by its record, first lay whole in the store: its note is written last."""
    kept: dict[str, float] = {}
    for each in done:
        found = _NOTE.fullmatch(each.path)
        if found is not None and each.method == "PUT" and each.status == 200:
            kept.setdefault(found[1], each.at)
    return kept


def bought_again(purchases: Iterable[Asked], spoken: Iterable[Spoken], kept: Mapping[str, float]) -> Iterator[str]:
    """Purchases, in words, by runs that began when the speech lay there already.

    A run that has looked before may buy: of two that run at the same time both do. Times are monotonic.
    """
    bought = _times(purchases)
    for each in (each for each in spoken if each.record_id in kept):
        there = kept[each.record_id]
        for at in bought[each.text]:
            begun = max((begun for begun in each.begun if begun <= at), default=at)
            if begun > there:
                yield f"{each.record_id}: {each.text!r} was bought again {at - there:.1f} s after it was kept"


def _times(purchases: Iterable[Asked]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for each in purchases:
        found[each.body["text"]].append(each.monotonic)
    return found
