"""Webhooks, from real servers with either backend to a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.jobs.polling import LONG, ask, cancel, look, until
from tests.shim.server_process import Server, free_port
from tests.shim.waiting import wait_until
from tests.shim.webhooks.receiver import Receiver
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

SHORT = wav_base64(hum(0.2))


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Server]:
    """A server that may tell this machine's own addresses."""
    ground = Ground(tmp_path_factory.mktemp("webhooks"), tiny_avatar).make()
    with BACKENDS[request.param](ground, moto, {"ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


@pytest.fixture(scope="module")
def secret(server: Server) -> str:
    reply = server.http.get("/api/v1/webhooks/secret")
    assert reply.headers["cache-control"] == "no-store"
    return str(reply.json()["secret"])


def delivered(server: Server, job_id: str, seconds: float = 20.0) -> dict[str, Any]:
    """The job's webhook, once nothing is left to tell."""
    wait_until(lambda: look(server, job_id)["webhook"]["state"] != "waiting", seconds)
    webhook: dict[str, Any] = look(server, job_id)["webhook"]
    return webhook


def test_a_finished_job_is_told_until_it_is_heard(server: Server, session: str, secret: str) -> None:
    with Receiver(500) as receiver:
        job = ask(server, session_id=session, audio_base64=SHORT, metadata={"order": 7}, webhook_url=receiver.url)
        job_id = job["job_id"]
        assert job["webhook"] == {"state": "waiting", "attempts": []}
        wait_until(lambda: len(look(server, job_id)["webhook"]["attempts"]) == 1)
        waiting = look(server, job_id)["webhook"]
        first = datetime.fromisoformat(waiting["attempts"][0]["at"])
        assert (waiting["state"], waiting["attempts"][0]["status"]) == ("waiting", 500)
        assert datetime.fromisoformat(waiting["next_at"]) - first == timedelta(seconds=5)
        webhook = delivered(server, job_id)
    assert (webhook["state"], [attempt["status"] for attempt in webhook["attempts"]]) == ("delivered", [500, 200])
    assert len({message.id for message in receiver.messages}) == 1
    for message in receiver.messages:
        event = message.verified(secret)
        assert message.path == "/hook"
        assert (event["type"], event["data"]["status"]) == ("job.done", "done")
        assert (event["data"]["job_id"], event["data"]["metadata"]) == (job_id, {"order": 7})
        assert "webhook" not in event["data"]
        assert server.http.get(event["data"]["result"]["video_url"]).status_code == 200
    assert receiver.url not in str(look(server, job_id))
    wait_until(lambda: not server.stored.keys(f"pending/{session}/"))


def test_a_failure_and_a_cancellation_are_told_too(server: Server, session: str, secret: str) -> None:
    silence = wav_base64(0 * hum(0.5))
    with Receiver() as receiver:
        failing = ask(server, session_id=session, audio_base64=silence, webhook_url=receiver.url)["job_id"]
        delivered(server, failing)
        (message,) = receiver.of(failing)
        event = message.verified(secret)
        assert (event["type"], event["data"]["error"]["error"]) == ("job.failed", "audio_silent")
        running = ask(server, session_id=session, text=LONG, webhook_url=receiver.url)["job_id"]
        until(server, running, "running")
        cancel(server, running)
        delivered(server, running)
        (message,) = receiver.of(running)
        event = message.verified(secret)
        assert (event["type"], event["data"]["status"]) == ("job.cancelled", "cancelled")


def test_a_receiver_that_is_gone_gets_no_more(server: Server, session: str) -> None:
    with Receiver(410) as receiver:
        job_id = ask(server, session_id=session, audio_base64=SHORT, webhook_url=receiver.url)["job_id"]
        webhook = delivered(server, job_id)
    assert (webhook["state"], len(webhook["attempts"])) == ("given_up", 1)
    assert len(receiver.messages) == 1


def test_redirects_are_not_followed_and_nobody_there_is_told(server: Server, session: str) -> None:
    with Receiver(302) as receiver:
        urls = (receiver.url, f"http://127.0.0.1:{free_port()}/")
        job_ids = [ask(server, session_id=session, audio_base64=SHORT, webhook_url=url)["job_id"] for url in urls]
        wait_until(lambda: all(look(server, job_id)["webhook"]["attempts"] for job_id in job_ids))
        attempts = [look(server, job_id)["webhook"]["attempts"][0] for job_id in job_ids]
        assert [message.path for message in receiver.messages] == ["/hook"]
    assert (attempts[0]["status"], "error" in attempts[0]) == (302, False)
    assert attempts[1]["error"] == "No connection could be made."
