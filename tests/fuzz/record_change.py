"""How a kept record is damaged: as bytes, or as JSON. A change says what to do, and fits whatever it is done to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.fuzz.drawn import Drawing

Change = dict[str, Any]

TIMES = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
    "1969-12-31T23:59:59Z", "2026-11-23T00:00:00", "2026-11-23T00:00:00Z", "2126-01-01T00:00:00+00:00", "tomorrow", 0,
    1e18, -62135596800, "",
)  # fmt: skip
STATES = ("open", "running", "done", "failed", "cancelled", "preparing", "ready", "error", "left", "waiting", "Done")
CLAIMS = ("2020-01-01T00:00:00Z", "2126-01-01T00:00:00Z")

BYTES = ("empty", "cut", "flip", "drop", "double", "insert", "utf16", "bom", "other")


def change_of(random: Random, body: bytes, likely: tuple[str, ...], odd: Drawing[Any]) -> Change:
    """A change of a record like ``body``. ``likely``: names that mean something in the store."""
    places = list(_places(json.loads(body))) if body.startswith(b"{") else []
    if not places or random.random() < 0.25:
        return {"bytes": random.choice(BYTES), "at": random.random(), "with": random.randrange(256)}
    place = random.choice(places)
    if random.random() < 0.15:
        return {"drop": place}
    return {"set": place, "to": _value(random, likely, odd)}


def changed(body: bytes, change: Change, other: bytes) -> bytes:
    """The body after the change; ``other``: a record of another kind, which may come in its place."""
    if "bytes" in change:
        return _damaged(body, change, other)
    record = json.loads(body)
    *folders, name = change.get("set") or change["drop"]
    within = record
    for folder in folders:
        within = within[folder]
    if "drop" in change:
        within.pop(name, None) if isinstance(within, dict) else within.pop(name)
    else:
        within[name] = change["to"]
    return json.dumps(record).encode()


def _damaged(body: bytes, change: Change, other: bytes) -> bytes:
    at, value = int(change["at"] * len(body)), bytes([change["with"]])
    ways = {
        "empty": b"",
        "cut": body[:at],
        "flip": body[:at] + value + body[at + 1 :],
        "drop": body[:at] + body[at + 1 + value[0] // 16 :],
        "double": body[:at] + body,
        "insert": body[:at] + value * 3 + body[at:],
        "utf16": body.decode(errors="replace").encode("utf-16"),
        "bom": b"\xef\xbb\xbf" + body,
        "other": other,
    }
    return ways[change["bytes"]]


def _value(random: Random, likely: tuple[str, ...], odd: Drawing[Any]) -> Any:
    pool = random.choice((TIMES, STATES, likely, likely, CLAIMS, None, None))
    return odd.draw(random) if pool is None else random.choice(pool)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[list[str | int]]:
    """The way to everything within a JSON value, and to one key more in every object."""
    if isinstance(value, dict):
        yield [*path, "claimed"]
        items: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for name, within in items:
        yield [*path, name]
        yield from _places(within, (*path, name))
