"""The catalogue of voices and models in the store, where a server finds it that has no account of its own."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from pydantic import ValidationError

from engine.speech.catalogue import Catalogue, CatalogueSource
from engine.store.protocol import ObjectStore

KEY = "catalogue/voices.json"

FRESH = timedelta(hours=1)
"""An older catalogue is fetched anew by whoever can."""

log = logging.getLogger(__name__)


def stored_catalogue(store: ObjectStore) -> Catalogue | None:
    """What was kept last; None when that is nothing, or nothing that can be read. Raises what the store raises."""
    found = store.get(KEY)
    if found is None:
        return None
    try:
        return Catalogue.model_validate_json(found.body)
    except ValidationError:
        log.warning("%s in the store can't be read, and is fetched anew.", KEY)
        return None


def keep_catalogue(store: ObjectStore, catalogue: Catalogue) -> None:
    """Raises what the store raises."""
    store.put(KEY, catalogue.model_dump_json(exclude_none=True).encode(), "application/json")


def is_fresh(catalogue: Catalogue | None, source: CatalogueSource, now: datetime) -> bool:
    """Whether asking ``source`` again can wait."""
    return catalogue is not None and catalogue.origin == source.origin and now - catalogue.fetched_at < FRESH
