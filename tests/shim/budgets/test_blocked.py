"""Blocked avatars over HTTP: refused by the server where it knows the avatar, and by the worker in any case."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import LIMITS, patient_worker
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.worker.clips import hum, wav_base64
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

SPOKEN: dict[str, Any] = {"audio_base64": wav_base64(hum(0.2))}
GENERATE = "/api/v1/generate/text-to-video"


def blocking(ground: Ground) -> dict[str, str]:
    """The setting that blocks the default avatar, which is also there by a name."""
    shutil.copy(ground.default_avatar, ground.avatars / "face.mp4")
    return {"BLOCKED_AVATARS": hashlib.sha256(ground.default_avatar.read_bytes()).hexdigest()}


def refuses(server: Server, ready: str) -> None:
    """The server neither speaks with the session nor makes another of its avatar."""
    for body in ({"session_id": ready}, {"avatar_video_path": "./face.mp4"}):
        error_of(server.http.post(GENERATE, json={**body, **SPOKEN}), 403, "avatar_blocked")
    made = server.create()
    state = server.ended(made)
    assert (state["status"], state["error_code"]) == ("error", "avatar_blocked")
    error_of(server.http.post(GENERATE, json={"session_id": made, **SPOKEN}), 403, "avatar_blocked")


def test_in_this_process(fresh_ground: Ground) -> None:
    with Server(fresh_ground, LIMITS) as server:
        ready = server.ready(session_id="ready")
        assert server.http.post(GENERATE, json={"session_id": ready, **SPOKEN}).status_code == 200
    with Server(fresh_ground, {**LIMITS, **blocking(fresh_ground)}) as server:
        refuses(server, ready)
        again = server.http.post("/api/v1/session/create", json={"session_id": ready})
        error_of(again, 403, "avatar_blocked")


def test_before_an_endpoint(fresh_ground: Ground, moto: S3Endpoint) -> None:
    bucket = WorkersBucket.on(moto)
    stored, blocked = ServerStore.bucket(bucket), {**LIMITS, **blocking(fresh_ground)}
    with QueueStandIn() as queue:
        with (
            patient_worker(queue, fresh_ground, "pod1", bucket, LIMITS),
            Server(fresh_ground, LIMITS, stored, queue) as server,
        ):
            ready = server.ready(session_id="ready")
        with (
            patient_worker(queue, fresh_ground, "pod2", bucket, blocked),
            Server(fresh_ground, LIMITS, stored, queue) as server,
        ):
            refuses(server, ready)
        asked = len(queue.inputs())
        with Server(fresh_ground, blocked, stored, queue) as server:
            refused = server.http.post(GENERATE, json={"session_id": ready, **SPOKEN})
            error_of(refused, 403, "avatar_blocked")
            again = server.http.post("/api/v1/session/create", json={"session_id": ready})
            error_of(again, 403, "avatar_blocked")
        assert len(queue.inputs()) == asked
