"""What the API's paths have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.records import Records
from engine.store.protocol import ObjectStore
from shim.avatars.consent import Consent
from shim.backends import Backend
from shim.keyed_requests import KeyedRequests
from shim.links import Links
from shim.settings import ShimSettings
from shim.signing import SigningSecret
from shim.turnstile import Turnstile


@dataclass(frozen=True)
class Ground:
    """The parts that more than one path stands on. ``now`` gives the time in UTC."""

    settings: ShimSettings
    store: ObjectStore
    records: Records
    backend: Backend
    turnstile: Turnstile
    keyed: KeyedRequests
    consent: Consent
    secret: SigningSecret
    links: Links
    now: Callable[[], datetime]
