"""Jobs as tests make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shim.jobs.record import AcceptedJob, JobCaller, Webhook

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def accepted(job_id: str = "j", **fields: Any) -> AcceptedJob:
    """An open job of nobody's, with a webhook, that this server holds."""
    given = {
        "session_id": "s",
        "caller": JobCaller(owner=None, name="anybody", kind="anybody"),
        "body_hash": "0" * 64,
        "holder": "here",
        "webhook": Webhook(url="https://example.com/", message_id="msg_1"),
        "heartbeat": NOW,
        "created": NOW,
        "updated": NOW,
        **fields,
    }
    return AcceptedJob(job_id=job_id, **given)
