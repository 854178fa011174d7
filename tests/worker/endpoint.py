"""The endpoint as a client calls it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.worker.queue_standin import KEY, QueueStandIn

SECONDS = 60.0


class Endpoint:
    """RunPod's client API over HTTP; answers are the parsed JSON."""

    def __init__(self, queue: QueueStandIn) -> None:
        self._http = httpx.Client(
            base_url=queue.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=SECONDS + 10, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def run(self, job_input: Any, **extra: Any) -> str:
        """Submit a job; its id."""
        answer = self._post("/run", {"input": job_input, **extra})
        assert answer["status"] == "IN_QUEUE"
        return str(answer["id"])

    def run_text(self, body: str) -> str:
        """Submit a job as a client of any making writes it; its id."""
        answer = _answer(self._http.post("/run", content=body, headers={"content-type": "application/json"}))
        return str(answer["id"])

    def runsync(self, job_input: Any, seconds: float = SECONDS) -> dict[str, Any]:
        return self._post(f"/runsync?wait={seconds * 1000:.0f}", {"input": job_input})

    def status(self, job_id: str) -> dict[str, Any]:
        return self._get(f"/status/{job_id}")

    def ended(self, job_id: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The job once it has ended."""
        answer = self.waited(job_id, seconds)
        assert answer["status"] not in ("IN_QUEUE", "IN_PROGRESS"), answer
        return answer

    def waited(self, job_id: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The job once it has ended, or as it is after so many seconds, ``SECONDS`` at most."""
        return self._get(f"/status-sync/{job_id}?wait={seconds * 1000:.0f}")

    def output(self, job_input: Any) -> dict[str, Any]:
        """The output of a job that has to succeed."""
        answer = self.ended(self.run(job_input))
        assert answer["status"] == "COMPLETED", answer
        output: dict[str, Any] = answer["output"]
        return output

    def error(self, job_input: Any) -> dict[str, Any]:
        """The parsed error of a job that has to fail."""
        return error_of(self.ended(self.run(job_input)))

    def in_progress(
        self, job_id: str, enough: Callable[[dict[str, Any]], bool] = bool, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """The running job's progress as soon as it is ``enough``; by default, any."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.status(job_id)
            assert answer["status"] in ("IN_QUEUE", "IN_PROGRESS"), answer
            progress: dict[str, Any] = answer.get("output") or {}
            if enough(progress):
                return progress
            time.sleep(0.05)
        raise AssertionError(f"{job_id} did not come that far in {seconds} s")

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._post(f"/cancel/{job_id}", {})

    def retry(self, job_id: str) -> dict[str, Any]:
        return self._post(f"/retry/{job_id}", {})

    def health(self) -> dict[str, Any]:
        return self._get("/health")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _answer(self._http.post(path, json=body))

    def _get(self, path: str) -> dict[str, Any]:
        return _answer(self._http.get(path))


def error_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON inside a failed job's ``error``, in the form that every failed job has."""
    assert answer["status"] == "FAILED", answer
    error: dict[str, Any] = json.loads(answer["error"])
    assert set(error) == {"code", "message", "retryable", "request_id"}
    assert error["request_id"] == answer["id"]
    assert "Traceback" not in answer["error"]
    return error


def _answer(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer
