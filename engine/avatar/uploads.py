"""Where uploaded avatars lie: each owner's in a folder of its own, so that nobody finds another's by its id.

uploads/{owner}/{id}       the file as it came, or uploads/{id} where everybody is let in; it goes by its age
uploaded/{id}.json         what is known of it (engine.records.AvatarRecord)
uploaded/{id}.jpg          its picture, once it has been prepared
incoming/{id}.json, {id}   an upload that was announced, and its file until it is complete
"""

from __future__ import annotations

from engine.owners import owner_folder


def upload_key(owner: str | None, upload_id: str) -> str:
    """The key of an upload. ``owner``: whose it is; None where everybody is let in."""
    return f"{upload_folder(owner)}{upload_id}"


def upload_folder(owner: str | None) -> str:
    """What the keys of the owner's uploads begin with. Without an owner, those of all others begin with it too."""
    return "uploads/" if owner is None else f"uploads/{owner_folder(owner)}/"


def picture_key(upload_id: str) -> str:
    """The key of the upload's picture."""
    return f"uploaded/{upload_id}.jpg"


def incoming_key(upload_id: str) -> str:
    """Where the file of an announced upload arrives."""
    return f"incoming/{upload_id}"
