"""Where uploaded avatars lie: each owner's in a folder of its own, so that nobody finds another's by its id."""

from __future__ import annotations

import hashlib


def upload_key(owner: str | None, upload_id: str) -> str:
    """The key of an upload. ``owner``: whose it is; None where everybody is let in."""
    return f"{upload_folder(owner)}{upload_id}"


def upload_folder(owner: str | None) -> str:
    """What the keys of the owner's uploads begin with. Without an owner, those of all others begin with it too."""
    return "uploads/" if owner is None else f"uploads/{hashlib.sha256(owner.encode()).hexdigest()[:40]}/"
