"""How owners stand in keys of the store."""

from __future__ import annotations

import hashlib


def owner_folder(owner: str | None) -> str:
    """What stands for the owner in keys, which show no names; None, where everybody is let in, is `anybody`."""
    return "anybody" if owner is None else hashlib.sha256(owner.encode()).hexdigest()[:40]
