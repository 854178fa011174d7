"""Asking for jobs and polling them, as a client does."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.shim.server_process import Server

GENERATE = "/api/v1/generate/text-to-video"
STREAM = "/api/v1/generate/text-to-video-stream"
LATER = {"async": "true"}
LONG = "This sentence is spoken again and again. " * 120
ENDED = ("done", "failed", "cancelled")


def ask(server: Server, path: str = GENERATE, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    """A job that is to be done later, as the server has accepted it."""
    reply = server.http.post(path, params=LATER, json=body, headers=headers)
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/api/v1/jobs/{job['job_id']}"
    return job


def look(server: Server, job_id: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    reply = server.http.get(f"/api/v1/jobs/{job_id}", headers=headers)
    assert reply.status_code == 200, reply.text
    job: dict[str, Any] = reply.json()
    return job


def cancel(server: Server, job_id: str) -> dict[str, Any]:
    reply = server.http.post(f"/api/v1/jobs/{job_id}/cancel")
    assert reply.status_code == 200, reply.text
    job: dict[str, Any] = reply.json()
    return job


def until(server: Server, job_id: str, *statuses: str, seconds: float = 60.0) -> dict[str, Any]:
    """The job as soon as it has one of the statuses; without any, as soon as it has ended."""
    end = time.monotonic() + seconds
    while (job := look(server, job_id))["status"] not in (statuses or ENDED):
        assert time.monotonic() < end, f"the job is still {job}"
        assert job["status"] not in ENDED, job
        time.sleep(0.1)
    return job


def outputs_of(server: Server, job_id: str) -> httpx.Response:
    return server.http.get(f"/api/v1/generate/video/output_{job_id}.mp4")
