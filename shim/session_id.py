"""Session ids as they come in paths and bodies."""

from __future__ import annotations

import re

from engine.errors import SessionNotFound

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def demand_session_id(session_id: str) -> None:
    """Raises SessionNotFound for what can't be a session's id: the contract knows no other error for it."""
    if not _ID.fullmatch(session_id):
        raise SessionNotFound("There is no session of that id: ids have 1 to 64 letters, digits, '-' and '_'.")
