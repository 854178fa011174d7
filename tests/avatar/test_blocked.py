"""Avatars that the operator has blocked: neither prepared nor spoken with, also where they were ready before."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.avatar.blocked import BlockList, parse_hashes
from engine.errors import AvatarBlocked
from engine.settings import Settings
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64

SPOKEN = {"audio_base64": wav_base64(hum(0.2))}
HASH = "0f" * 32


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("clip") / "face.mp4", frames=5)


@pytest.fixture
def ground(tmp_path: Path, clip: Path) -> EngineGround:
    ground = EngineGround(tmp_path).open()
    shutil.copy(clip, tmp_path / "avatars" / "default.mp4")
    return ground


def block(ground: EngineGround, clip: Path) -> None:
    """Start the worker anew, with the clip in its list."""
    ground.open(blocked_avatars=frozenset({HASH, hashlib.sha256(clip.read_bytes()).hexdigest()}))


def status(ground: EngineGround, session_id: str) -> dict[str, Any]:
    return ground.run({"action": "status", "session_id": session_id})


def test_it_is_not_prepared(ground: EngineGround, clip: Path) -> None:
    block(ground, clip)
    with pytest.raises(AvatarBlocked):
        ground.run({"action": "create_session", "session_id": "new"})
    assert (status(ground, "new")["status"], status(ground, "new")["error_code"]) == ("error", "avatar_blocked")
    with pytest.raises(AvatarBlocked):
        ground.run({"session_id": "new", **SPOKEN})
    with pytest.raises(AvatarBlocked):
        ground.run(SPOKEN)
    assert not [key for key in ground.stored() if key.startswith(("avatars/", "outputs/", "audit/"))]


def test_a_session_that_was_ready_before_speaks_no_more(ground: EngineGround, clip: Path) -> None:
    ground.run({"action": "create_session", "session_id": "old"})
    ground.run({"session_id": "old", **SPOKEN})
    block(ground, clip)
    with pytest.raises(AvatarBlocked):
        ground.run({"session_id": "old", **SPOKEN})
    with pytest.raises(AvatarBlocked):
        ground.run({"action": "create_session", "session_id": "old"})
    ground.open()
    assert ground.run({"session_id": "old", **SPOKEN})["frames"] > 0


@pytest.mark.parametrize("options", [{}, {"extra_margin": 12, "parsing_mode": "raw"}])
def test_a_session_that_is_older_than_the_records_hash_is_known_by_its_key(
    ground: EngineGround, clip: Path, options: dict[str, Any]
) -> None:
    ground.run({"action": "create_session", "session_id": "old", **options})
    unknown = {"avatar_sha256": None}
    ground.engine.records.sessions.update("old", lambda record: record.model_copy(update=unknown))
    assert ground.run({"session_id": "old", **SPOKEN})["frames"] > 0
    block(ground, clip)
    with pytest.raises(AvatarBlocked):
        ground.run({"session_id": "old", **SPOKEN})


def test_others_are_let_through(ground: EngineGround) -> None:
    ground.open(blocked_avatars=frozenset({HASH}))
    assert ground.run(SPOKEN)["frames"] > 0


def test_the_list_is_read_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "ab" * 32
    monkeypatch.setenv("BLOCKED_AVATARS", f" {HASH.upper()}, {other},")
    assert Settings().blocked_avatars == {HASH, other}
    (tmp_path / "list").write_text(f"# of November\n{HASH}  # a complaint\n\n{other}\n")
    monkeypatch.setenv("BLOCKED_AVATARS", f"@{tmp_path / 'list'}")
    assert Settings().blocked_avatars == {HASH, other}
    monkeypatch.setenv("BLOCKED_AVATARS", "")
    assert Settings().blocked_avatars == frozenset()


@pytest.mark.parametrize("listed", ["abc", HASH[:-1], f"{HASH}0", f"{HASH} {HASH}", f"{HASH}  clip.mp4"])
def test_what_is_no_hash_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        parse_hashes(listed)


def test_an_unknown_file_is_none_of_the_list() -> None:
    BlockList(frozenset({HASH})).demand_allowed(None)
    BlockList().demand_allowed(HASH)
