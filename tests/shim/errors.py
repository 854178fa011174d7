"""The one form of all errors."""

from __future__ import annotations

from typing import Any

import httpx


def error_of(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an error, which has to be of this status and code and of the form that all errors have."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body: dict[str, Any] = reply.json()
    assert_form(body)
    assert body["error"] == code, body
    assert body["request_id"] == reply.headers["x-request-id"]
    return body


def assert_form(body: dict[str, Any]) -> None:
    beside = {"type", "job_id"} if body["error"] == "still_running" else {"type"}
    assert set(body) - beside == {"error", "detail", "retryable", "request_id"}
    assert isinstance(body["detail"], str)
    assert len(body["detail"]) > 20
    assert isinstance(body["retryable"], bool)
    for leak in ("Traceback", "/tmp", ".py", "pydantic"):
        assert leak not in body["detail"]
