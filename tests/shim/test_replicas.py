"""Two servers on one bucket, in front of one queue, that count in a real Redis: a client can't tell one from two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.sync.client import connect

from shim.auth.keys import hash_of, mint
from tests.servers import redis
from tests.servers.caddy import PROGRAM as CADDY
from tests.servers.caddy import Caddy
from tests.servers.endpoint import S3Endpoint
from tests.servers.redis import RedisServer
from tests.shim.backends import LIMITS, patient_worker
from tests.shim.errors import error_of
from tests.shim.server_process import REQUEST_SECONDS, Server, free_port
from tests.shim.server_store import ServerStore
from tests.shim.waiting import wait_until
from tests.shim.webhooks.receiver import Receiver
from tests.worker.clips import hum, wav_base64
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

API = "/api/v1"
GENERATE = f"{API}/generate/text-to-video"
CREATE = f"{API}/session/create"
KEY = mint()
SOUND = wav_base64(hum(0.3))
CREATE_RATE = 30

pytestmark = pytest.mark.skipif(shutil.which(redis.PROGRAM) is None, reason=f"needs the package {redis.PROGRAM}")


@dataclass(frozen=True)
class Replicas:
    """``both``: a client of each, with the key."""

    both: tuple[httpx.Client, httpx.Client]
    urls: tuple[str, str]
    stored: ServerStore
    queue: QueueStandIn

    def ready(self) -> str:
        first, second = self.both
        session = str(first.post(CREATE, json={}).json()["session_id"])
        status = f"{API}/session/{session}/status"
        wait_until(lambda: second.get(status).json()["status"] == "ready", REQUEST_SECONDS)
        return session

    def jobs(self, action: str) -> int:
        return len([given for given in self.queue.inputs().values() if given["action"] == action])

    def job(self, which: int, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.both[which].get(f"{API}/jobs/{job_id}").json()
        return job


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint) -> Iterator[Replicas]:
    bucket = WorkersBucket.on(moto)
    grounds = [Ground(tmp_path_factory.mktemp(name), tiny_avatar).make() for name in ("first", "second", "worker")]
    with ExitStack() as stack:
        queue = stack.enter_context(QueueStandIn())
        counting = stack.enter_context(RedisServer(grounds[0].folder, free_port()))
        stack.enter_context(patient_worker(queue, grounds[2], "pod1", bucket, LIMITS))
        settings = {
            **LIMITS,
            "API_KEYS": f"alice:{hash_of(KEY)}",
            "REDIS_URL": counting.url,
            "CREATE_RATE": f"{CREATE_RATE}/minute",
            "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
            # As Caddy is.
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        servers = [
            stack.enter_context(Server(ground, settings, ServerStore.bucket(bucket), queue)) for ground in grounds[:2]
        ]
        headers = {"Authorization": f"Bearer {KEY}"}
        first, second = (
            stack.enter_context(
                httpx.Client(base_url=server.url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False)
            )
            for server in servers
        )
        yield Replicas((first, second), (servers[0].url, servers[1].url), servers[0].stored, queue)


@pytest.fixture(scope="module")
def session(replicas: Replicas) -> str:
    return replicas.ready()


def test_a_creation_that_both_get_at_once_makes_one_session(replicas: Replicas) -> None:
    headers = {"Idempotency-Key": "the-same-creation"}
    before = replicas.jobs("create_session")

    def create(http: httpx.Client) -> httpx.Response:
        return http.post(CREATE, json={}, headers=headers)

    with ThreadPoolExecutor(2) as both:
        replies = list(both.map(create, replicas.both))
    made = [reply.json() for reply in replies if reply.status_code == 200]
    assert made
    # The slower one may be told that the first is still at it; asked again it gets the first one's answer.
    for reply in replies:
        if reply.status_code != 200:
            error_of(reply, 409, "request_in_progress")
    assert [create(http).json() for http in replicas.both] == [made[0], made[0]]
    assert replicas.jobs("create_session") == before + 1
    other = replicas.both[1].post(CREATE, json={"of_no_use": 1}, headers=headers)
    error_of(other, 422, "idempotency_key_reused")


def test_a_video_that_one_has_made_is_the_others_answer(replicas: Replicas, session: str) -> None:
    first, second = replicas.both
    body, headers = {"session_id": session, "audio_base64": SOUND}, {"Idempotency-Key": "the-same-video"}
    before = replicas.jobs("generate")
    made = first.post(GENERATE, json=body, headers=headers)
    assert made.status_code == 200, made.text
    again = second.post(GENERATE, json=body, headers=headers)
    assert again.status_code == 200
    assert urlsplit(again.json()["video_url"]).path == urlsplit(made.json()["video_url"]).path
    assert replicas.jobs("generate") == before + 1


def test_a_job_is_every_servers_and_is_told_of_once(replicas: Replicas, session: str) -> None:
    first, second = replicas.both
    secret = second.get(f"{API}/webhooks/secret").json()["secret"]
    with Receiver() as receiver:
        body = {"session_id": session, "audio_base64": SOUND, "webhook_url": receiver.url}
        headers = {"Idempotency-Key": "the-same-job"}
        jobs = [
            http.post(GENERATE, params={"async": "true"}, json=body, headers=headers).json()["job_id"]
            for http in (first, second)
        ]
        assert jobs[0] == jobs[1]
        wait_until(lambda: replicas.job(1, jobs[0])["status"] == "done", REQUEST_SECONDS)
        wait_until(lambda: replicas.job(0, jobs[0])["webhook"]["state"] == "delivered", 30)
        (message,) = receiver.of(jobs[0])
        assert message.verified(secret)["data"]["job_id"] == jobs[0]
    listed = [
        page.json()["sessions"][0]["session_id"] for page in (http.get(f"{API}/sessions") for http in (first, second))
    ]
    assert listed[0] == listed[1]


def test_what_one_has_signed_opens_at_the_other(replicas: Replicas, session: str) -> None:
    first, _ = replicas.both
    video = first.post(GENERATE, json={"session_id": session, "audio_base64": SOUND}).json()["video_url"]
    token = first.post(f"{API}/tokens", json={"session_id": session, "generations": 1}).json()["token"]
    with httpx.Client(base_url=replicas.urls[1], timeout=REQUEST_SECONDS, trust_env=False) as anybody:
        assert anybody.get(video).status_code == 200
        shown = {"Authorization": f"Bearer {token}"}
        body = {"session_id": session, "audio_base64": SOUND}
        assert anybody.post(GENERATE, json=body, headers=shown).status_code == 200
        # Its one video was made by the other server.
        spent = httpx.post(replicas.urls[0] + GENERATE, json=body, headers=shown, timeout=60, trust_env=False)
        error_of(spent, 403, "token_spent")


@pytest.mark.skipif(shutil.which(CADDY) is None, reason=f"needs the package {CADDY}")
def test_behind_the_proxy_they_are_one_server(replicas: Replicas, session: str, tmp_path: Path) -> None:
    """deploy/Caddyfile as it is deployed, over TLS: a video, its stream, a WebSocket and no metrics."""
    upstreams = [url.removeprefix("http://") for url in replicas.urls]
    with Caddy(tmp_path, upstreams) as caddy:
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=caddy.url, verify=caddy.trust, headers=headers, timeout=60, trust_env=False) as http:
            wait_until(lambda: http.get("/ping").status_code == 200)
            assert http.get("/metrics").status_code == 404
            body = {"session_id": session, "audio_base64": SOUND}
            made = http.post(GENERATE, json=body)
            assert made.status_code == 200, made.text
            for _ in range(4):
                assert http.get(made.json()["video_url"]).status_code == 200
            assert b"moof" in http.post(f"{GENERATE}-stream", json=body).content
        minted = httpx.post(
            f"{replicas.urls[0]}{API}/tokens", json={"session_id": session}, headers=headers, trust_env=False
        )
        address = caddy.url.replace("https", "wss") + f"{GENERATE}-stream"
        protocols = ["talking-avatar", f"token.{minted.json()['token']}"]
        with connect(address, subprotocols=protocols, ssl=caddy.trust, proxy=None) as socket:  # type: ignore[arg-type]
            socket.send(json.dumps(body))
            kinds = {json.loads(message)["type"] for message in socket if isinstance(message, str)}
        assert {"start", "end"} <= kinds


def test_they_count_together(replicas: Replicas) -> None:
    """Last, as it uses the minute's creations up."""
    statuses: list[int] = []
    for number in range(2 * CREATE_RATE):
        reply = replicas.both[number % 2].post(CREATE, json={"avatar_video_path": 7})
        statuses.append(reply.status_code)
        if reply.status_code == 429:
            break
    assert statuses[-1] == 429
    assert len(statuses) <= CREATE_RATE
    assert replicas.both[len(statuses) % 2].post(CREATE, json={}).status_code == 429
