"""The catalogue of voices and models as the API serves it: from the store, and fetched anew when it is old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.errors import EngineError
from engine.outages import Outage
from engine.speech.catalogue import Catalogue, CatalogueSource
from engine.speech.choose import choose_catalogue, no_voice
from engine.store.protocol import ObjectStore
from engine.stored_catalogue import is_fresh, keep_catalogue, stored_catalogue
from shim.refusals import VoicesUnavailable
from shim.settings import ShimSettings

PATIENCE = timedelta(seconds=15)
"""After a fetch that failed the next one waits so long: requests that come meanwhile get the same answer at once."""

log = logging.getLogger(__name__)


def source_for(settings: ShimSettings) -> CatalogueSource | None:
    """Where this server fetches the catalogue; None in front of an endpoint whose workers alone have the account."""
    if settings.runpod_endpoint_id is not None and settings.elevenlabs_api_key is None:
        return None
    return choose_catalogue(settings)


class Catalogues:
    """``source``: None where only the workers can fetch it. ``now`` gives the time in UTC. Used in one event loop."""

    def __init__(self, store: ObjectStore, source: CatalogueSource | None, now: Callable[[], datetime]) -> None:
        self._store = store
        self._source = source
        self._now = now
        self._failed: EngineError | None = None
        self._failed_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def current(self) -> Catalogue:
        """Raises SpeechNotConfigured, VoicesUnavailable, and what the voice's service and the store raise."""
        async with self._fetching:
            catalogue = await self._found()
        if catalogue.provider == "none":
            raise no_voice()
        return catalogue

    async def _found(self) -> Catalogue:
        stored = await asyncio.to_thread(stored_catalogue, self._store)
        if self._source is None:
            return _demanded(stored)
        if is_fresh(stored, self._source, self._now()):
            return _demanded(stored)
        return await self._fetched(self._source, stored)

    async def _fetched(self, source: CatalogueSource, stored: Catalogue | None) -> Catalogue:
        """From the source, or the stored one of the same source where that fails."""
        if self._failed_at is None or self._now() - self._failed_at >= PATIENCE:
            try:
                catalogue = await source.fetch(self._now())
            except EngineError as error:
                self._failed, self._failed_at = error, self._now()
                log.warning("The list of voices could not be fetched: %s", error.message)
            else:
                await asyncio.to_thread(keep_catalogue, self._store, catalogue)
                return catalogue
        if stored is not None and stored.origin == source.origin:
            return stored
        raise _told(self._failed)


def _told(error: EngineError | None) -> EngineError:
    assert error is not None
    return VoicesUnavailable(error.message) if isinstance(error, Outage) else type(error)(error.message)


def _demanded(catalogue: Catalogue | None) -> Catalogue:
    if catalogue is None:
        raise VoicesUnavailable(
            "No worker has told which voices there are: each does when it starts. Try again in a minute."
        )
    return catalogue
