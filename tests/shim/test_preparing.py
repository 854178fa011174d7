"""Many sessions at once, on a server that prepares one avatar at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.worker.clips import talking_head
from tests.worker.worker_process import Ground


@pytest.fixture
def busy(fresh_ground: Ground) -> Iterator[Server]:
    with Server(fresh_ground, {"MAX_CONCURRENCY": "1"}) as server:
        yield server


def test_preparations_wait_for_each_other_and_all_end(busy: Server) -> None:
    talking_head(busy.ground.avatars / "long.mp4", frames=150)
    first = busy.create(avatar_video_path="long.mp4")
    ids = [busy.create(session_id=f"waiting-{number}") for number in range(4)]
    ids += [busy.create(session_id=f"waiting-{number}") for number in range(4)]
    assert busy.status(ids[0])["status"] == "preparing"
    deleted = ids[3]
    assert busy.http.delete(f"/api/v1/session/{deleted}").status_code == 200
    for session_id in (first, *ids[:3]):
        assert busy.ended(session_id)["status"] == "ready"
    error_of(busy.http.get(f"/api/v1/session/{deleted}/status"), 404, "session_not_found")
    assert not busy.ground.half_made()


def test_a_failed_session_begins_again_when_it_is_created_again(busy: Server) -> None:
    broken = busy.ground.avatars / "later.mp4"
    broken.write_bytes(b"no video at all")
    session_id = busy.create(avatar_video_path="later.mp4", session_id="second-try")
    assert busy.ended(session_id)["status"] == "error"
    talking_head(broken, frames=10)
    assert busy.create(avatar_video_path="later.mp4", session_id="second-try") == session_id
    assert busy.ended(session_id)["status"] == "ready"


def test_more_than_can_wait_are_told_to_come_back(busy: Server) -> None:
    talking_head(busy.ground.avatars / "long.mp4", frames=250)
    first = busy.create(avatar_video_path="long.mp4")
    replies = [busy.http.post("/api/v1/session/create", json={"session_id": f"many-{n}"}) for n in range(64)]
    assert {reply.status_code for reply in replies} == {200, 503}
    refused = next(reply for reply in replies if reply.status_code == 503)
    error_of(refused, 503, "overloaded")
    assert refused.headers["retry-after"] == "60"
    error_of(busy.http.get("/api/v1/session/many-63/status"), 404, "session_not_found")
    error_of(busy.http.get(f"/api/v1/session/{uuid.uuid4()}/status"), 404, "session_not_found")
    assert busy.ended(first)["status"] == "ready"
    assert busy.ended("many-0")["status"] == "ready"
