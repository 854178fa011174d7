"""A worker that does only what it is told, over the protocol of RunPod's SDK."""

from __future__ import annotations

from typing import Any

import httpx

from tests.worker.queue_standin import KEY, QueueStandIn


class WireWorker:
    def __init__(self, queue: QueueStandIn, pod: str = "wire") -> None:
        self._pod = pod
        self._http = httpx.Client(base_url=queue.url, headers={"Authorization": KEY}, timeout=10, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def take(self) -> dict[str, Any]:
        """The next job, as the queue hands it out."""
        answer = self._http.get(f"/job-take/{self._pod}", params={"gpu": "CPU", "job_in_progress": "0"})
        assert answer.status_code == 200, answer.status_code
        job: dict[str, Any] = answer.json()
        return job

    def take_until(self, job_id: str) -> dict[str, Any]:
        """That job; those that others left in front of it are taken and forgotten."""
        while (job := self.take())["id"] != job_id:
            pass
        return job

    def post(self, job_id: str, body: dict[str, Any]) -> None:
        answer = self._http.post(f"/job-done/{self._pod}/{job_id}", params={"gpu": "CPU"}, json=body)
        assert answer.status_code == 200, answer.status_code
