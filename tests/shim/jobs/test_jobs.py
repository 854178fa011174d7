"""Jobs that are done later, on every backend."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest

from shim.auth.keys import hash_of, mint
from tests.servers.endpoint import S3Endpoint
from tests.shim.errors import error_of
from tests.shim.jobs.polling import GENERATE, LATER, LONG, STREAM, ask, cancel, look, outputs_of, until
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

SHORT = wav_base64(hum(0.2))
SHOP, BANK = mint(), mint()


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


@pytest.mark.parametrize("path", [GENERATE, STREAM])
def test_a_job_is_done_after_it_was_answered(server: Server, session: str, path: str) -> None:
    job = ask(server, path, session_id=session, audio_base64=SHORT, metadata={"order": 7}, of_no_use=1)
    assert job["status"] in ("queued", "running")
    assert (job["session_id"], job["metadata"], len(job["warnings"])) == (session, {"order": 7}, 1)
    done = until(server, job["job_id"])
    assert (done["status"], done["progress"], done["metadata"]) == ("done", 1.0, {"order": 7})
    result = done["result"]
    assert (result["job_id"], result["metadata"]) == (job["job_id"], {"order": 7})
    assert any("of_no_use" in warning for warning in result["warnings"])
    for address in ("video_url", "audio_url", "thumbnail_url"):
        assert server.http.get(result[address]).status_code == 200
    assert cancel(server, job["job_id"])["status"] == "done"
    wait_until(lambda: not server.stored.keys("pending/"))
    assert not [key for key in server.stored.keys("accepted/") if key.endswith(".request")]


def test_its_stream_can_be_followed_from_the_first_moment(server: Server, session: str) -> None:
    job = ask(server, session_id=session, audio_base64=wav_base64(hum(3)))
    streamed = server.http.get(job["stream_url"])
    assert streamed.status_code == 200, streamed.text
    assert streamed.content[4:8] == b"ftyp"
    assert streamed.content.count(b"moof") > 10
    playlist = server.http.get(job["hls_url"]).text
    assert "init.mp4" in playlist
    assert until(server, job["job_id"])["result"]["duration"] == 3.0


def test_progress_grows_and_the_rest_is_estimated(server: Server, session: str) -> None:
    job_id = ask(server, session_id=session, text=LONG)["job_id"]
    seen = [until(server, job_id, "running")]
    end = time.monotonic() + 45
    while not (seen[-1].get("eta_seconds") and len({job["progress"] for job in seen}) > 2):
        assert time.monotonic() < end, seen[-1]
        time.sleep(0.25)
        seen.append(look(server, job_id))
    assert {job["status"] for job in seen} == {"running"}
    assert all(first["progress"] <= second["progress"] for first, second in pairwise(seen))
    assert 0 < seen[-1]["progress"] < 1
    assert seen[-1]["stage"]
    assert cancel(server, job_id)["status"] == "cancelled"


def test_a_running_job_is_cancelled_for_good(server: Server, session: str) -> None:
    job_id = ask(server, session_id=session, text=LONG)["job_id"]
    until(server, job_id, "running")
    for _ in range(2):
        cancelled = cancel(server, job_id)
        assert (cancelled["status"], cancelled["error"]["error"]) == ("cancelled", "interrupted")
    wait_until(lambda: server.stored.job(job_id)["state"] != "running", 20)
    assert look(server, job_id)["status"] == "cancelled"
    assert outputs_of(server, job_id).status_code == 404


def test_a_job_that_somebody_waits_for_is_found_and_cancelled(server: Server, session: str) -> None:
    made = server.http.post(GENERATE, json={"session_id": session, "audio_base64": SHORT}).json()
    found = look(server, made["job_id"])
    assert (found["status"], found["result"]["video_url"]) == ("done", made["video_url"])
    assert "stream_url" not in found
    before = server.stored.keys("jobs/")
    with ThreadPoolExecutor(1) as beside:
        body = {"session_id": session, "text": LONG}
        asked = beside.submit(httpx.post, server.url + GENERATE, json=body, timeout=60, trust_env=False)
        wait_until(lambda: server.stored.keys("jobs/") != before)
        ((key),) = server.stored.keys("jobs/") - before
        job_id = key.removeprefix("jobs/").removesuffix(".json")
        assert look(server, job_id)["status"] == "running"
        cancel(server, job_id)
        assert asked.result().status_code == 500
    wait_until(lambda: look(server, job_id)["status"] == "cancelled")


def test_the_same_key_gives_the_same_job(server: Server, session: str) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"session_id": session, "audio_base64": SHORT}
    first = ask(server, headers=key, **body)
    assert ask(server, headers=key, **body)["job_id"] == first["job_id"]
    for params, changes in ((LATER, {"sync_mode": "loop"}), (LATER, {"webhook_url": "https://8.8.8.8/"}), ({}, {})):
        reply = server.http.post(GENERATE, params=params, json={**body, **changes}, headers=key)
        error_of(reply, 422, "idempotency_key_reused")
    until(server, first["job_id"])
    assert ask(server, headers=key, **body)["status"] == "done"


def test_the_field_names_a_job_too(server: Server, session: str) -> None:
    body: dict[str, Any] = {"session_id": session, "audio_base64": SHORT, "idempotency_key": str(uuid.uuid4())}
    first = ask(server, **body)
    assert ask(server, **body)["job_id"] == first["job_id"]
    other = server.http.post(GENERATE, params=LATER, json={**body, "sync_mode": "loop"})
    error_of(other, 409, "idempotency_conflict")
    until(server, first["job_id"])
    made = {**body, "idempotency_key": str(uuid.uuid4())}
    assert server.http.post(GENERATE, json=made).status_code == 200
    error_of(server.http.post(GENERATE, params=LATER, json=made), 409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"text": "  "}, 400, "invalid_text"),
        ({"text": "x" * 5_001}, 400, "text_too_long"),
        ({"text": "Hello.", "start_seconds": -1}, 400, "invalid_input"),
        ({"text": "Hello.", "session_id": "nobodys"}, 404, "session_not_found"),
        ({"text": "Hello.", "webhook_url": 7}, 400, "invalid_input"),
        ({"text": "Hello.", "webhook_url": "https://8.8.8.8/" + "x" * 3000}, 400, "invalid_input"),
        ({"text": "Hello.", "webhook_url": "http://example.com/"}, 400, "url_not_allowed"),
        ({"text": "Hello.", "webhook_url": "https://127.0.0.1:9/"}, 400, "url_not_allowed"),
        ({"text": "Hello.", "webhook_url": "https://[::1]/"}, 400, "url_not_allowed"),
        ({"text": "Hello.", "webhook_url": "https://localhost/"}, 400, "url_not_allowed"),
    ],
)
def test_what_can_be_known_at_once_is_no_job(
    server: Server, session: str, fields: dict[str, object], status: int, code: str
) -> None:
    wait_until(lambda: not server.stored.keys("pending/"))
    before = server.stored.keys("accepted/")
    error_of(server.http.post(GENERATE, params=LATER, json={"session_id": session, **fields}), status, code)
    assert server.stored.keys("accepted/") == before
    assert not server.stored.keys("pending/")


def test_only_jobs_that_are_done_later_have_webhooks(server: Server, session: str) -> None:
    body = {"session_id": session, "text": "Hello.", "webhook_url": "https://example.com/"}
    for path in (GENERATE, STREAM):
        assert "?async=true" in error_of(server.http.post(path, json=body), 400, "invalid_input")["detail"]


def test_what_is_neither_true_nor_false_is_400(server: Server, session: str) -> None:
    reply = server.http.post(GENERATE, params={"async": "perhaps"}, json={"session_id": session, "text": "Hello."})
    error_of(reply, 400, "invalid_input")


@pytest.mark.parametrize("job_id", ["unknown", "x" * 65, "no.record"])
def test_other_jobs_are_not_found(server: Server, job_id: str) -> None:
    error_of(server.http.get(f"/api/v1/jobs/{job_id}"), 404, "job_not_found")
    error_of(server.http.post(f"/api/v1/jobs/{job_id}/cancel"), 404, "job_not_found")


def test_a_deleted_session_s_jobs_are_cancelled(server: Server) -> None:
    session = server.ready()
    job_ids = [ask(server, session_id=session, text=LONG)["job_id"] for _ in range(3)]
    until(server, job_ids[0], "running")
    assert server.http.delete(f"/api/v1/session/{session}").status_code == 200
    for job_id in job_ids:
        job = look(server, job_id)
        assert (job["status"], job["error"]["error"]) == ("cancelled", "session_not_found")
    wait_until(lambda: not server.stored.keys(f"pending/{session}/"), 20)


def test_one_call_makes_session_and_video(server: Server) -> None:
    job = ask(server, avatar_video_path=server.upload(server.ground.default_avatar.read_bytes()), audio_base64=SHORT)
    done = until(server, job["job_id"])
    assert done["result"]["session_id"] == job["session_id"]


@pytest.fixture
def single(fresh_ground: Ground) -> Iterator[Server]:
    """One place, and two that wait."""
    with Server(fresh_ground, {"MAX_CONCURRENCY": "1", "MAX_WAITING_JOBS": "2"}) as server:
        yield server


def test_jobs_wait_in_a_line_of_limited_length(single: Server) -> None:
    session = single.ready()
    running = ask(single, session_id=session, text=LONG)["job_id"]
    until(single, running, "running")
    waiting = [ask(single, session_id=session, audio_base64=SHORT, metadata=n) for n in range(2)]
    assert [look(single, job["job_id"])["queue_position"] for job in waiting] == [1, 2]
    before = single.ground.stored("accepted/"), single.ground.stored("pending/")
    refused = single.http.post(GENERATE, params=LATER, json={"session_id": session, "audio_base64": SHORT})
    assert error_of(refused, 503, "overloaded")["retryable"] is True
    assert int(refused.headers["retry-after"]) > 0
    assert (single.ground.stored("accepted/"), single.ground.stored("pending/")) == before
    first, second = (job["job_id"] for job in waiting)
    assert cancel(single, first)["status"] == "cancelled"
    assert look(single, second)["queue_position"] == 1
    # Who doesn't wait in line doesn't go before it.
    error_of(single.http.post(GENERATE, json={"session_id": session, "audio_base64": SHORT}), 503, "overloaded")
    cancel(single, running)
    assert until(single, second)["result"]["metadata"] == 1


@pytest.fixture
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


def test_a_job_is_cancelled_in_the_queue(fresh_ground: Ground, moto: S3Endpoint, queue: QueueStandIn) -> None:
    stored = ServerStore.bucket(WorkersBucket.on(moto))
    with Server(fresh_ground, {}, stored, queue) as server:
        upload = server.upload(fresh_ground.default_avatar.read_bytes())
        job_id = ask(server, avatar_video_path=upload, text="Hello.")["job_id"]
        (queue_id,) = queue.inputs()
        assert queue.inputs()[queue_id]["stream"] is True
        assert look(server, job_id)["status"] == "queued"
        cancel(server, job_id)
        assert queue.faults.asked["cancel"] == 1
        assert look(server, job_id)["status"] == "cancelled"
        # Megabytes that the queue doesn't take are told at once.
        reply = server.http.post(
            GENERATE, params=LATER, json={"avatar_video_path": upload, "audio_base64": "A" * 10_000_000}
        )
        error_of(reply, 400, "invalid_input")
        wait_until(lambda: not stored.keys("pending/"))


@pytest.fixture
def guarded(fresh_ground: Ground) -> Iterator[Server]:
    with Server(fresh_ground, {"API_KEYS": f"shop:{hash_of(SHOP)},bank:{hash_of(BANK)}"}) as server:
        yield server


def test_another_owner_s_job_is_not_there(guarded: Server) -> None:
    shop, bank = ({"X-API-Key": key} for key in (SHOP, BANK))
    guarded.http.headers.update(shop)
    session = guarded.ready()
    job = ask(guarded, session_id=session, audio_base64=SHORT)
    job_id = job["job_id"]
    for owner in (bank, {"X-API-Key": "wrong"}):
        status, code = (404, "job_not_found") if owner == bank else (401, "unauthorized")
        error_of(guarded.http.get(f"/api/v1/jobs/{job_id}", headers=owner), status, code)
        error_of(guarded.http.post(f"/api/v1/jobs/{job_id}/cancel", headers=owner), status, code)
    stranger = guarded.http.get(f"/api/v1/generate/stream/{job_id}", headers=bank)
    error_of(stranger, 404, "stream_not_found")
    error_of(guarded.http.delete(f"/api/v1/session/{session}", headers=bank), 404, "session_not_found")
    done = until(guarded, job_id)
    assert done["status"] == "done"
    # Signed addresses need no key.
    for address in (job["stream_url"], done["result"]["video_url"]):
        assert httpx.get(guarded.url + address, trust_env=False).status_code == 200
    secrets = [guarded.http.get("/api/v1/webhooks/secret", headers=owner).json()["secret"] for owner in (shop, bank)]
    assert secrets[0] != secrets[1]
    # Keys are each owner's own too: the bank's equal one is another job.
    key = {"Idempotency-Key": "one"}
    assert ask(guarded, headers=key, session_id=session, audio_base64=SHORT)["job_id"].startswith("owned-key-")
    other = guarded.http.post(
        GENERATE, params=LATER, json={"session_id": session, "audio_base64": SHORT}, headers={**key, **bank}
    )
    error_of(other, 404, "session_not_found")


def test_a_browser_neither_names_webhooks_nor_sees_their_secret(guarded: Server) -> None:
    guarded.http.headers["X-API-Key"] = SHOP
    session = guarded.ready()
    other = ask(guarded, session_id=guarded.ready(), audio_base64=SHORT)["job_id"]
    minted = guarded.http.post("/api/v1/tokens", json={"session_id": session})
    assert minted.status_code == 200, minted.text
    browser = {"Authorization": f"Bearer {minted.json()['token']}"}
    del guarded.http.headers["X-API-Key"]
    error_of(guarded.http.get("/api/v1/webhooks/secret", headers=browser), 403, "forbidden")
    body = {"session_id": session, "audio_base64": SHORT}
    told = {**body, "webhook_url": "https://example.com/"}
    error_of(guarded.http.post(GENERATE, params=LATER, json=told, headers=browser), 403, "forbidden")
    own = ask(guarded, headers=browser, **body)["job_id"]
    assert look(guarded, own, browser)["session_id"] == session
    assert guarded.http.get(f"/api/v1/jobs/{other}", headers=browser).status_code in (403, 404)
