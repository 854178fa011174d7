"""What goes by its age alone, in the local store and in a bucket: one table for the sweeper and for lifecycle rules.

Neither sessions/ nor avatars/ is in it. A session's age says nothing of its use, which its record alone knows, and a
prepared avatar is needed for as long as a session refers to it: a rule that looks at the age of objects would tear
living sessions apart. The sweeper judges those two by their content, and uploaded/ and owners/ by what they speak of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from engine.lifetimes import Lifetimes
from engine.store.protocol import ObjectInfo

DAY = timedelta(days=1)
WORKERS = timedelta(days=7)

_OUTPUT = re.compile(r"outputs/[^/]+/([A-Za-z0-9_-]{1,64})-[0-9a-f]{8}/.*")


@dataclass(frozen=True)
class Rule:
    """What lies in ``folder`` goes ``after`` it was last written.

    depth: the objects of a folder so many levels below go together, by the newest of them; 0: each by itself.
    """

    folder: str
    after: timedelta
    depth: int = 0

    @property
    def prefix(self) -> str:
        return f"{self.folder}/"


REQUESTS = Rule("requests", DAY)
"""What came of the REST server's requests with an `Idempotency-Key`."""

TOKENS = Rule("tokens", DAY)
"""How many videos each of the REST server's tokens for browsers is still good for. They work for an hour at most."""

LEASES = Rule("leases", DAY)
"""What the REST server's generations hold while they go on, by what they are counted for."""

ACCEPTED = Rule("accepted", 2 * DAY)
"""Jobs that the REST server has accepted, and what each of them asks for until it has ended."""

PENDING = Rule("pending", 2 * DAY)
"""Names of the accepted jobs for which something is left to do."""

REPLICAS = Rule("replicas", DAY)
"""Signs of life of the REST servers that accept jobs."""

INCOMING = Rule("incoming", DAY)
"""Uploads of avatars that were announced, until they are complete."""


def rules(lifetimes: Lifetimes) -> tuple[Rule, ...]:
    """What is kept for ever has no rule.

    Job records outlive the outputs that they answer for, and a day in any case: for so long the queue may hand a job
    out again, or its caller send it again.
    """
    return (
        *([Rule("outputs", lifetimes.output, depth=2)] if lifetimes.output else []),
        *([Rule("uploads", lifetimes.upload)] if lifetimes.upload else []),
        *([Rule("jobs", max(lifetimes.output, DAY))] if lifetimes.output else []),
        Rule("streams", lifetimes.stream, depth=1),
        Rule("workers", WORKERS),
        Rule("proofs", DAY),
        REQUESTS,
        TOKENS,
        LEASES,
        ACCEPTED,
        PENDING,
        REPLICAS,
        INCOMING,
    )


def aged(objects: Iterable[ObjectInfo], rule: Rule, moment: datetime) -> list[str]:
    """What of ``objects``, which come in order of keys, was last written before ``moment``.

    A folder that goes as a whole is given with a slash at its end, an object by its key.
    """
    groups = groupby(objects, lambda item: unit(item.key, rule))
    return [name for name, items in groups if all(item.modified < moment for item in items)]


def unit(key: str, rule: Rule) -> str:
    """The folder, with a slash at its end, that the object goes with; the object's own key if it goes alone."""
    names = key.removeprefix(rule.prefix).split("/")
    if rule.depth == 0 or len(names) <= rule.depth:
        return key
    return f"{rule.prefix}{'/'.join(names[: rule.depth])}/"


def jobs_of(outputs: Iterable[str]) -> set[str]:
    """The record ids of the jobs that have made these outputs, or the outputs in these folders."""
    return {found[1] for key in outputs if (found := _OUTPUT.fullmatch(key))}
