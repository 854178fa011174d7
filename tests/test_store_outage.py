"""The object store goes away in the middle of a job, and stays away longer than anyone waits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from tests.engine_ground import EngineGround
from tests.worker.clips import hum, talking_head, wav_base64

METHODS = ("put", "put_if_absent", "put_if_match", "upload", "get", "head", "delete", "list", "download")


def unavailable(*arguments: Any, **named: Any) -> Any:
    raise StorageUnavailable("The object store doesn't answer. Try again later.")


@pytest.mark.parametrize("missed", ["audio.mp3", "video.mp4", "result.json"])
def test_the_job_fails_retryably_and_its_retry_gives_the_whole_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missed: str
) -> None:
    ground = EngineGround(tmp_path).open()
    shutil.copy(talking_head(tmp_path / "face.mp4", frames=10), tmp_path / "avatars" / "default.mp4")
    job = {"audio_base64": wav_base64(hum(0.3))}
    with monkeypatch.context() as outage:
        for name in ("put", "upload"):
            outage.setattr(LocalStore, name, away_from(missed, getattr(LocalStore, name), outage))
        with pytest.raises(StorageUnavailable) as caught:
            ground.run(job, job_id="unlucky")
    assert caught.value.retryable
    assert ground.left_in_scratch() == []
    output = ground.run(job, job_id="unlucky")
    made = {key for key in ground.stored() if key.startswith("outputs/")}
    assert {key.rpartition("/")[0] for key in made} == {output["video_key"].rpartition("/")[0]}
    assert len(made) == 6
    assert len([key for key in ground.stored() if key.startswith("audit/")]) == 1


def away_from(name: str, method: Any, outage: pytest.MonkeyPatch) -> Any:
    """``method`` until it meets an object of that name: then everything is away."""

    def until(store: LocalStore, key: str, *arguments: Any, **named: Any) -> Any:
        if not key.endswith(name):
            return method(store, key, *arguments, **named)
        for each in METHODS:
            outage.setattr(LocalStore, each, unavailable)
        return unavailable()

    return until
