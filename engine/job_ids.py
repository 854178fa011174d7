"""What the record of a job, and a session of its own, are called."""

from __future__ import annotations

import hashlib
import re
import uuid

RECORD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def record_id_of(queue_id: str) -> str:
    """The id of the record of the job ``queue_id``: the same, unless no record can have it."""
    if RECORD_ID.fullmatch(queue_id):
        return queue_id
    # JSON can write half a surrogate pair.
    return hashlib.sha256(queue_id.encode(errors="surrogatepass")).hexdigest()


def session_of_job(job_id: str) -> str:
    """The id of the session that a job makes when its caller names none: the same at every try of the job."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"session-of-job:{job_id}"))
