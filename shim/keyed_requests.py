"""Requests with an `Idempotency-Key`: what one asks for is done once, and its result is kept for a day."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

from engine.avatar.key import canonical_hash
from engine.errors import EngineError, InvalidInput, RecordDamaged
from engine.housekeeping.rules import REQUESTS
from engine.records import Record, RecordSet, sleep_up_to
from engine.store.protocol import ObjectStore
from shim.callers import caller_of
from shim.refusals import KeyReused, RequestInProgress

HEADER = "Idempotency-Key"

LEASE = timedelta(seconds=60)
"""Who has not said for so long that it works on a request works on it no more."""

BEAT_SECONDS = 15.0

KEY_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "A name for this request: sent again with it within 24 hours, the same body gets the same "
            "answer, and nothing is made twice.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]
}
"""The header in a route's ``openapi_extra``."""

_KEY = re.compile(r"[!-~]{1,255}")

T = TypeVar("T")

log = logging.getLogger(__name__)


class KeyedRequest(Record):
    """A request that came with a key.

    subject: names what it makes, the same whenever it is sent again. holder: tells who works on it from others.
    state: `left` when nobody does, and nothing came of it yet. reply: its result, once it is `done`.
    """

    request_id: str
    body_hash: str
    subject: str
    holder: str
    state: Literal["running", "left", "done"] = "running"
    reply: dict[str, Any] | None = None


@dataclass(frozen=True)
class RequestKey:
    """A caller's key for a request to one path: the id of its record, and the hash of the body that came with it."""

    request_id: str
    body_hash: str

    @classmethod
    def of(cls, request: HTTPConnection, body: dict[str, Any]) -> Self | None:
        """None for a request without a key. Raises InvalidInput."""
        key = request.headers.get(HEADER)
        if key is None:
            return None
        if not _KEY.fullmatch(key):
            raise InvalidInput(f"`{HEADER}` has to have 1 to 255 visible ASCII characters, such as those of a UUID.")
        caller = caller_of(request.scope)
        # What a browser's token has asked for is not told to another one of the same owner.
        who: JsonValue = caller.owner if caller.grant is None else [caller.owner, caller.grant.token_id]
        return cls(canonical_hash([who, request.url.path, key]), canonical_hash(body))


def refuse_key(request: HTTPConnection) -> None:
    """Raises InvalidInput for a request with a key to a path that takes none."""
    if HEADER in request.headers:
        raise InvalidInput(f"A stream takes no `{HEADER}`: what was made before is not made again.")


class KeyedRequests:
    """The requests in ``store``. ``now`` gives the time in UTC."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime], beat_seconds: float = BEAT_SECONDS) -> None:
        self._records = RecordSet(
            store, REQUESTS.folder, KeyedRequest, lambda record: record.request_id, now, sleep_up_to
        )
        self._now = now
        self._beat_seconds = beat_seconds

    async def once(self, key: RequestKey, kept: TypeAdapter[T], work: Callable[[str], Awaitable[T]]) -> T:
        """What ``work`` returns, or has returned under this key before; ``kept`` makes JSON of it and back.

        ``work`` is given the name of what it makes. When it raises, the same request may come again, and its work is
        given the same name. Raises RequestInProgress, KeyReused, RecordDamaged, and what ``work`` and the store raise.
        """
        record = await asyncio.to_thread(self._take, key)
        if record.state == "done":
            return _replied(kept, record)
        try:
            async with self._beating(record):
                result = await work(record.subject)
        except BaseException:
            await self._note(record, {"state": "left"})
            raise
        await self._note(record, {"state": "done", "reply": kept.dump_python(result, mode="json")})
        return result

    def _take(self, key: RequestKey) -> KeyedRequest:
        """The request, to be worked on or done."""
        new = self._new(key)
        while not self._records.create(new):
            found = self._records.update(key.request_id, lambda old: _taken(old, new))
            if found is None:
                continue
            if found.body_hash != new.body_hash:
                raise KeyReused(f"This `{HEADER}` came with another body before. Use a new key for a new request.")
            if found.state == "running" and found.holder != new.holder:
                raise RequestInProgress(
                    f"The request with this `{HEADER}` is still being worked on. Send it again in a few seconds."
                )
            return found
        return new

    def _new(self, key: RequestKey) -> KeyedRequest:
        now = self._now()
        return KeyedRequest(
            request_id=key.request_id,
            body_hash=key.body_hash,
            subject=str(uuid.uuid4()),
            holder=uuid.uuid4().hex,
            heartbeat=now,
            created=now,
            updated=now,
        )

    @asynccontextmanager
    async def _beating(self, record: KeyedRequest) -> AsyncIterator[None]:
        beats = asyncio.create_task(self._beat(record), name=f"request {record.request_id}")
        try:
            yield
        finally:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)

    async def _beat(self, record: KeyedRequest) -> None:
        while True:
            await asyncio.sleep(self._beat_seconds)
            await self._note(record, {"heartbeat": self._now()})

    async def _note(self, record: KeyedRequest, changes: dict[str, Any]) -> None:
        """Write changes down, unless somebody else works on the request meanwhile."""

        def change(old: KeyedRequest) -> KeyedRequest:
            return old.model_copy(update=changes) if old.holder == record.holder else old

        try:
            await asyncio.to_thread(self._records.update, record.request_id, change)
        except EngineError as error:
            # Once the lease is over the same request goes on with what was made.
            log.warning("How a request with a key goes on could not be written down: %s", error.message)


def _replied(kept: TypeAdapter[T], record: KeyedRequest) -> T:
    """The result that was kept. Raises RecordDamaged."""
    try:
        return kept.validate_python(record.reply)
    except ValidationError as error:
        raise RecordDamaged(f"The record of the request {record.request_id} can't be read: delete it.") from error


def _taken(old: KeyedRequest, new: KeyedRequest) -> KeyedRequest:
    """The record as it stays or becomes when the request comes once more."""
    if new.created - old.created >= REQUESTS.after:
        return new
    if old.body_hash != new.body_hash or old.state == "done":
        return old
    if old.state == "running" and new.heartbeat - old.heartbeat < LEASE:
        return old
    return old.model_copy(update={"state": "running", "holder": new.holder, "heartbeat": new.heartbeat})
