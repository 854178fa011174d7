"""The worker's own catalogue of voices, left in the store for the REST server in front of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import datetime

from engine.errors import EngineError
from engine.speech.catalogue import CatalogueSource
from engine.store.protocol import ObjectStore
from engine.stored_catalogue import is_fresh, keep_catalogue, stored_catalogue

logger = logging.getLogger(__name__)


def keep_in_background(store: ObjectStore, source: CatalogueSource, now: Callable[[], datetime]) -> threading.Thread:
    """Begin to write it, in a thread that no job and no end of the worker waits for."""
    thread = threading.Thread(target=_keep, args=(store, source, now), name="catalogue", daemon=True)
    thread.start()
    return thread


def _keep(store: ObjectStore, source: CatalogueSource, now: Callable[[], datetime]) -> None:
    try:
        if not is_fresh(stored_catalogue(store), source, now()):
            keep_catalogue(store, asyncio.run(source.fetch(now())))
    except EngineError as error:
        logger.warning("The list of voices could not be kept: %s", error.message)
