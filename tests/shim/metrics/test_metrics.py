"""/metrics over HTTP, on every backend."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from tests.shim.server_process import Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64

GENERATE = "/api/v1/generate/text-to-video"


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


class Page:
    """What /metrics says, as Prometheus reads it."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in families for sample in family.samples]

    @classmethod
    def of(cls, server: Server) -> Page:
        reply = server.http.get("/metrics")
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/plain; version=")
        return cls(reply.text)

    def value(self, name: str, **labels: str) -> float:
        return sum(
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        return {sample.labels[label] for sample in self.samples if sample.name == name}


def grown(before: Page, after: Page, name: str, labels: Mapping[str, str] | None = None) -> float:
    return after.value(name, **(labels or {})) - before.value(name, **(labels or {}))


def test_requests_are_counted_by_their_routes(server: Server, session: str) -> None:
    before = Page.of(server)
    for _ in range(3):
        server.status(session)
    server.http.get(f"/api/v1/session/{uuid.uuid4()}/status")
    server.http.get(f"/{uuid.uuid4()}")
    server.http.request("PROPFIND", "/health")
    server.http.head("/docs/assets/swagger-ui.css")
    after = Page.of(server)
    route = "/api/v1/session/{session_id}/status"
    requests = "avatar_http_requests_total"
    assert grown(before, after, requests, {"route": route, "method": "GET", "status": "200"}) == 3
    assert grown(before, after, requests, {"route": route, "method": "GET", "status": "404"}) == 1
    assert grown(before, after, requests, {"route": "none", "method": "GET", "status": "404"}) == 1
    assert grown(before, after, requests, {"method": "other", "status": "405"}) == 1
    assert grown(before, after, "avatar_http_request_seconds_count", {"route": route}) == 4
    known = set(server.http.get("/openapi.json").json()["paths"])
    pages = {"/", "/web/{path:path}", "/docs", "/docs/assets", "/openapi.json"}
    assert after.labels(requests, "route") - known <= {"none", "/{path:path}", *pages}


def test_a_video_is_measured(server: Server, session: str) -> None:
    before = Page.of(server)
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.4))}
    made = server.http.post(GENERATE, json=body).json()
    after = Page.of(server)
    assert grown(before, after, "avatar_jobs_ended_total", {"state": "done"}) == 1
    for stage, seconds in made["timings"].items():
        assert grown(before, after, "avatar_stage_seconds_count", {"stage": stage}) == 1
        assert grown(before, after, "avatar_stage_seconds_sum", {"stage": stage}) == pytest.approx(seconds)
    assert grown(before, after, "avatar_gpu_seconds_total") == made["gpu_seconds"]
    assert after.value("avatar_places_taken") == 0
    assert "other" not in after.labels("avatar_stage_seconds_count", "stage")


def test_a_stream_s_first_fragment_is_measured(server: Server, session: str) -> None:
    before = Page.of(server)
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.4))}
    with server.http.stream("POST", f"{GENERATE}-stream", json=body) as reply:
        pieces = reply.iter_raw()
        next(pieces)
        assert Page.of(server).value("avatar_places_taken") <= 1
        list(pieces)
    after = Page.of(server)
    assert grown(before, after, "avatar_first_fragment_seconds_count") == 1
    assert grown(before, after, "avatar_jobs_ended_total", {"state": "done"}) == 1


def test_a_socket_is_one_request(server: Server) -> None:
    before = Page.of(server)
    with connect(server.url.replace("http:", "ws:") + f"{GENERATE}-stream", proxy=None) as socket:
        socket.send("{}")
        socket.recv()
    after = Page.of(server)
    labels = {"route": f"{GENERATE}-stream", "method": "WEBSOCKET", "status": "101"}
    assert grown(before, after, "avatar_http_requests_total", labels) == 1


def test_jobs_count_by_their_end(server: Server, session: str) -> None:
    before = Page.of(server)
    server.http.post(GENERATE, json={"session_id": session, "audio_base64": "bm8gc291bmQgYXQgYWxs"})
    server.http.post(GENERATE, json={"session_id": "unknown", "text": "Hello."})
    after = Page.of(server)
    assert grown(before, after, "avatar_jobs_ended_total", {"state": "failed"}) == 1
    assert grown(before, after, "avatar_jobs_ended_total", {"state": "refused"}) == 1
    assert grown(before, after, "avatar_stage_seconds_count") == 0


def test_an_answer_that_is_given_again_is_no_new_video(server: Server, session: str) -> None:
    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2)), "idempotency_key": str(uuid.uuid4())}
    server.http.post(GENERATE, json=body)
    before = Page.of(server)
    assert server.http.post(GENERATE, json=body).status_code == 200
    assert grown(before, Page.of(server), "avatar_stage_seconds_count") == 0


def test_the_queue_is_shown(server: Server) -> None:
    page = Page.of(server)
    assert page.value("avatar_healthy") == 1
    ended = set() if server.queue is None else {"completed", "failed", "retried"}
    assert page.labels("avatar_queue_jobs", "state") == {"in_progress", "in_queue"} | ended


def test_jobs_that_wait_are_the_queues_and_cancelled_ones_no_failures(server: Server, session: str) -> None:
    before = Page.of(server)
    body = {"session_id": session, "audio_base64": wav_base64(hum(14.0))}
    paths = [server.http.post(f"{GENERATE}?async=true", json=body).headers["location"] for _ in range(3)]
    # Two places; in front of an endpoint the worker has six.
    waiting = {"state": "in_queue"}
    wait_until(lambda: server.queue is not None or Page.of(server).value("avatar_queue_jobs", **waiting) == 1)
    for path in reversed(paths):
        server.http.post(f"{path}/cancel")
    ended = "avatar_jobs_ended_total"
    wait_until(lambda: grown(before, Page.of(server), ended, {"state": "cancelled"}) == 3)
    assert grown(before, Page.of(server), ended, {"state": "failed"}) == 0


def test_no_word_of_a_request_is_in_it(server: Server, session: str) -> None:
    text = server.http.get("/metrics").text
    assert session not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)


def test_whoever_comes_by_a_proxy_does_not_find_it(server: Server) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        reply = httpx.get(server.url + "/metrics", headers={header: "127.0.0.1"}, trust_env=False)
        assert (reply.status_code, reply.json()["error"]) == (404, "not_found")
    assert server.http.post("/metrics").status_code == 404
