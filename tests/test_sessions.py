"""How a session lives on and ends, through the engine's door."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from engine.avatar.uploads import upload_key
from engine.engine import Engine
from engine.errors import AvatarNotFound, Conflict, KeepsCrashing, SessionNotFound
from engine.lifetimes import Lifetimes
from engine.schemas import CreateSession
from engine.session_records import new_session
from engine.store.local import LocalStore
from engine.store.protocol import ObjectInfo
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("clip") / "face.mp4", frames=10)


@pytest.fixture
def fresh(tmp_path: Path, clip: Path) -> EngineGround:
    ground = EngineGround(tmp_path).open()
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    return ground


def test_create_again_renews_a_session_that_is_ready(fresh: EngineGround) -> None:
    create = {"action": "create_session", "session_id": "renewed"}
    first = fresh.open(session_ttl=3_600).run(create)
    again = fresh.open(session_ttl=7_200).run(create, job_id="later")
    assert datetime.fromisoformat(again["expires_at"]) > datetime.fromisoformat(first["expires_at"])


def test_deleting_the_last_session_may_take_the_face_with_it(fresh: EngineGround, clip: Path) -> None:
    fresh.engine.store.put("uploads/my-face", clip.read_bytes() + bytes(8))
    for session_id in ("mine", "theirs"):
        fresh.run({"action": "create_session", "session_id": session_id, "avatar_video_path": "my-face"})
    forget = {"action": "delete_session", "forget_avatar": True}
    fresh.run({**forget, "session_id": "mine"})
    left = fresh.stored()
    assert not [key for key in left if key.startswith("uploads/")]
    assert [key for key in left if key.endswith("/manifest.json")]
    fresh.run({**forget, "session_id": "theirs"})
    assert not [key for key in fresh.stored() if key.startswith("avatars/")]


def test_a_job_finds_its_own_owner_s_sessions_and_uploads_alone(fresh: EngineGround, clip: Path) -> None:
    fresh.engine.store.put(upload_key("key:alice", "my-face"), clip.read_bytes())
    create = {"action": "create_session", "avatar_video_path": "my-face", "session_id": "hers"}
    fresh.run({**create, "owner": "key:alice"})
    generate = {"session_id": "hers", "audio_base64": wav_base64(hum(0.2))}
    for other in ({}, {"owner": "key:bob"}):
        with pytest.raises(SessionNotFound):
            fresh.run({**generate, **other})
        with pytest.raises(AvatarNotFound):
            fresh.run({**create, "session_id": "other", **other})
        with pytest.raises(Conflict, match="is taken"):
            fresh.run({"action": "create_session", "session_id": "hers", **other})
    fresh.run({**generate, "owner": "key:alice"}, job_id="her-job")
    record = fresh.engine.records.jobs.get("her-job")
    assert record is not None
    assert record.owner == "key:alice"
    fresh.run({"action": "delete_session", "session_id": "hers", "forget_avatar": True})
    assert not [key for key in fresh.stored() if key.startswith("uploads/")]


def test_the_default_avatar_is_never_forgotten(fresh: EngineGround) -> None:
    fresh.run({"action": "create_session", "session_id": "plain"})
    fresh.run({"action": "delete_session", "session_id": "plain", "forget_avatar": True})
    assert [key for key in fresh.stored() if key.endswith("/manifest.json")]


class Watched(LocalStore):
    """Remembers what is uploaded."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.uploaded: list[str] = []

    def upload(self, key: str, source: BinaryIO, content_type: str = "application/octet-stream") -> ObjectInfo:
        self.uploaded.append(key)
        return super().upload(key, source, content_type)


def test_nothing_is_written_for_a_session_that_is_deleted_at_the_last_frame(fresh: EngineGround) -> None:
    store = Watched(fresh.folder / "store")
    fresh.engine = Engine.open(fresh.settings(), store)
    fresh.run({"action": "create_session", "session_id": "leaving"})

    def delete_when_drawing(told: dict[str, Any]) -> None:
        if told["stage"] == "drawing" and fresh.engine.records.sessions.get("leaving"):
            fresh.run({"action": "delete_session", "session_id": "leaving"})

    with pytest.raises(SessionNotFound, match="deleted while"):
        fresh.run({"session_id": "leaving", "audio_base64": wav_base64(hum(0.2))}, progress=delete_when_drawing)
    assert not [key for key in store.uploaded if key.startswith("outputs/")]


def test_a_preparation_that_never_ends_is_refused_at_its_third_start(fresh: EngineGround) -> None:
    create = {"action": "create_session", "session_id": "deadly"}
    fresh.run(create, job_id="killer")
    sessions = fresh.engine.records.sessions
    died = {"status": "preparing", "avatar_key": None, "avatar": None}
    sessions.update("deadly", lambda old: old.model_copy(update=died))
    fresh.run(create, job_id="killer")
    sessions.update("deadly", lambda old: old.model_copy(update=died))
    with pytest.raises(KeepsCrashing):
        fresh.run(create, job_id="killer")
    assert fresh.run({"action": "status", "session_id": "deadly"})["status"] == "error"
    # Its end is told: whoever asks again, with another job, begins anew.
    assert fresh.run(create, job_id="another")["status"] == "ready"


def test_a_job_may_fail_before_its_server_has_noted_its_id(fresh: EngineGround) -> None:
    creation = CreateSession(action="create_session", avatar_video_path="missing.mp4")
    record = new_session(creation, "quick", None, datetime.now(UTC), Lifetimes.of(fresh.settings()))
    assert fresh.engine.records.sessions.create(record)
    asked = {**creation.model_dump(exclude_none=True), "session_id": "quick", "begun": True}
    with pytest.raises(AvatarNotFound):
        fresh.run(asked, job_id="its-job")
    found = fresh.engine.records.sessions.get("quick")
    assert found is not None
    assert (found.status, found.error_code) == ("error", "avatar_not_found")
