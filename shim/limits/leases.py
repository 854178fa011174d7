"""Leases: how many of something go on at the same time, over all servers that share the store.

Who holds a lease renews it. The leases of a server that has died end by themselves, at latest LEASE after their last
renewal, so a crash blocks nobody for longer than that.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from engine.avatar.key import canonical_hash
from engine.errors import EngineError
from engine.housekeeping.rules import LEASES
from engine.records import Record, RecordSet, sleep_up_to
from engine.store.protocol import ObjectStore
from shim.refusals import TooManyGenerations

LEASE = timedelta(seconds=60)

RENEWAL_SECONDS = 20.0
"""Two renewals may fail before a lease ends that is still needed."""

log = logging.getLogger(__name__)


class Lease(BaseModel):
    """``work``: what goes on; leases of the same work count once."""

    model_config = ConfigDict(frozen=True)

    work: str
    until: AwareDatetime


class ScopeRecord(Record):
    """The leases of one scope, by their holders."""

    scope_id: str
    leases: dict[str, Lease]

    def of_others(self, work: str, now: datetime) -> int:
        """How much other work goes on."""
        return len({lease.work for lease in self.leases.values() if lease.until > now and lease.work != work})

    def with_lease(self, holder: str, lease: Lease, now: datetime) -> ScopeRecord:
        """The same with this lease, and without those that have ended."""
        alive = {name: other for name, other in self.leases.items() if other.until > now}
        return self.model_copy(update={"leases": {**alive, holder: lease}})

    def without(self, holder: str) -> ScopeRecord:
        return self.model_copy(
            update={"leases": {name: lease for name, lease in self.leases.items() if name != holder}}
        )


@dataclass(frozen=True)
class LeaseScope:
    """Whose work is counted together: a ``kind``, such as `session` or `key`, and what tells it from others of it."""

    kind: str
    name: str

    @property
    def record_id(self) -> str:
        return canonical_hash([self.kind, self.name])


@dataclass
class _Held:
    """A lease as its holder has it. Its steps are taken one after the other; after ``over`` there is none any more."""

    scope: LeaseScope
    work: str
    holder: str
    over: bool = False
    stepping: threading.Lock = field(default_factory=threading.Lock)


class Leases:
    """The leases in ``store``. ``now`` gives the time in UTC."""

    def __init__(
        self, store: ObjectStore, now: Callable[[], datetime], renewal_seconds: float = RENEWAL_SECONDS
    ) -> None:
        self._records = RecordSet(store, LEASES.folder, ScopeRecord, lambda record: record.scope_id, now, sleep_up_to)
        self._now = now
        self._renewal_seconds = renewal_seconds

    @asynccontextmanager
    async def held(self, scope: LeaseScope, most: int, work: str | None = None) -> AsyncIterator[None]:
        """Hold one of the ``most`` leases of the scope until the block is left.

        ``work`` names what the lease is for: several leases of the same work, such as of a request that was sent again
        while it goes on, count once. Raises TooManyGenerations, and what the store raises.
        """
        holder = uuid.uuid4().hex
        held = _Held(scope, work or holder, holder)
        try:
            await asyncio.to_thread(self._take, held, most)
            renewing = asyncio.create_task(self._keep(held), name=f"lease of {scope.kind}")
            try:
                yield
            finally:
                renewing.cancel()
        finally:
            await asyncio.to_thread(self._give_back, held)

    async def _keep(self, held: _Held) -> None:
        while True:
            await asyncio.sleep(self._renewal_seconds)
            await asyncio.to_thread(self._renew, held)

    def _take(self, held: _Held, most: int) -> None:
        with held.stepping:
            if not held.over and not self._written(held, most):
                held.over = True
                raise TooManyGenerations(
                    f"No more than {most} at once may be made for this {held.scope.kind}. Wait until one is done."
                )

    def _renew(self, held: _Held) -> None:
        with held.stepping:
            try:
                if not held.over:
                    self._written(held, None)
            except EngineError as error:
                log.warning("A lease could not be renewed: %s", error.message)

    def _give_back(self, held: _Held) -> None:
        """Where that fails, the lease ends by itself."""
        with held.stepping:
            if held.over:
                return
            held.over = True
            try:
                self._records.update(held.scope.record_id, lambda found: found.without(held.holder))
            except EngineError as error:
                log.warning("A lease could not be given back: %s", error.message)

    def _written(self, held: _Held, most: int | None) -> bool:
        """Write the lease down, to last from now; False when there are ``most`` others."""
        while True:
            now = self._now()
            lease = Lease(work=held.work, until=now + LEASE)

            def change(found: ScopeRecord, now: datetime = now, lease: Lease = lease) -> ScopeRecord:
                if most is not None and found.of_others(held.work, now) >= most:
                    return found
                return found.with_lease(held.holder, lease, now)

            found = self._records.update(held.scope.record_id, change)
            if found is not None:
                return held.holder in found.leases
            if self._records.create(_new(held, lease, now)):
                return True


def _new(held: _Held, lease: Lease, now: datetime) -> ScopeRecord:
    return ScopeRecord(
        scope_id=held.scope.record_id, leases={held.holder: lease}, heartbeat=now, created=now, updated=now
    )
