"""The operator's stop: one object in the store, and no server that finds it begins another video."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from engine.errors import RecordDamaged
from engine.schemas import Generate
from engine.store.protocol import ObjectStore
from shim.callers import Caller
from shim.refusals import GenerationStopped

STOP_KEY = "stop.json"

SECONDS_KEPT = 1.0
"""How long a server goes by what it read last."""

log = logging.getLogger(__name__)


class Stop(BaseModel):
    """``reason``: a sentence for callers. ``since``: in UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: str = Field(min_length=1, max_length=500)
    since: AwareDatetime


@dataclass(frozen=True)
class StopSign:
    """The stop as it lies in a store. Every method raises what the store raises."""

    store: ObjectStore

    def read(self) -> Stop | None:
        """Raises RecordDamaged when it can't be read."""
        found = self.store.get(STOP_KEY)
        if found is None:
            return None
        try:
            return Stop.model_validate_json(found.body)
        except ValidationError as error:
            raise RecordDamaged(f"{STOP_KEY} can't be read: `python -m shim.stop --lift` removes it.") from error

    def put_up(self, stop: Stop) -> None:
        """In the place of an older one, if there is one."""
        self.store.put(STOP_KEY, stop.model_dump_json().encode(), "application/json")

    def take_down(self) -> bool:
        """False when there was none."""
        found = self.store.head(STOP_KEY)
        self.store.delete(STOP_KEY)
        return found is not None


class StopCheck:
    """A Check of the turnstile. ``clock``: seconds that never run backwards."""

    def __init__(self, store: ObjectStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._sign = StopSign(store)
        self._clock = clock
        self._stop: Stop | None = None
        self._read: float | None = None
        self._noting = threading.Lock()

    @asynccontextmanager
    async def held(self, caller: Caller, request: Generate) -> AsyncIterator[None]:
        stop = await asyncio.to_thread(self._look)
        if stop is not None:
            raise GenerationStopped(f"No videos are made for the moment: {stop.reason}")
        yield

    def _look(self) -> Stop | None:
        began = self._clock()
        if self._read is None or began - self._read > SECONDS_KEPT:
            stop = self._sign.read()
            with self._noting:
                self._note(stop)
                self._read = began
        return self._stop

    def _note(self, stop: Stop | None) -> None:
        if stop is not None and stop != self._stop:
            log.warning("The operator has stopped all new videos: %s", stop.reason)
        elif stop is None and self._stop is not None:
            log.warning("The operator has lifted the stop.")
        self._stop = stop
