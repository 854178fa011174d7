"""A recording on its way into a job's folder."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.fetching.download import FetchLimits, GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.kept_speech import KeptSpeech
from engine.media.limits import SoundLimits
from engine.outages import StorageFull
from engine.schemas import Generate
from engine.sounds import Sounds
from engine.speech.espeak import EspeakVoice
from engine.store.local import LocalStore
from tests.media.made import recording, tone

LIMITS = SoundLimits(max_bytes=10**6, max_seconds=60, memory_bytes=3 * 10**9, decode_seconds=60)


@pytest.mark.parametrize("full", ["recording", "recording.pcm"])
def test_a_full_disk_is_told_as_that(tmp_path: Path, full: str) -> None:
    (tmp_path / full).symlink_to("/dev/full")
    kept = KeptSpeech(LocalStore(tmp_path / "store"), "speech")
    sounds = Sounds(EspeakVoice(), GuardedFetcher(FetchPolicy()), LIMITS, FetchLimits(10**6, 10), 100)
    spoken = base64.b64encode(recording(tmp_path / "spoken.wav", [tone(1)], 48_000, "pcm_s16le").read_bytes()).decode()
    request = Generate(session_id="session", audio_base64=spoken)
    with pytest.raises(StorageFull), sounds.open(request, kept, tmp_path, CancelToken()):
        pass
