"""What the record of a queued job is called."""

from __future__ import annotations

import hashlib
import re

RECORD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def record_id_of(queue_id: str) -> str:
    """The id of the record of the job ``queue_id``: the same, unless no record can have it."""
    return queue_id if RECORD_ID.fullmatch(queue_id) else hashlib.sha256(queue_id.encode()).hexdigest()
