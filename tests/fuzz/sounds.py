"""Sound files as a generate takes them in base64, decoded to the samples that are played and heard."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.cancel import CancelToken
from engine.fetching.download import FetchLimits, GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.kept_speech import KeptSpeech
from engine.media.limits import SoundLimits
from engine.schemas import Generate
from engine.sounds import Sounds
from engine.speech.espeak import EspeakVoice
from engine.speech.resample import Downsampler
from engine.store.local import LocalStore
from tests.fuzz.decoders import no_unforeseen_errors
from tests.fuzz.door import Door
from tests.fuzz.leftovers import nothing_left
from tests.fuzz.media_files import SOUNDS, made
from tests.fuzz.media_mutation import mutated

LIMITS = SoundLimits(max_bytes=300_000, max_seconds=20, memory_bytes=2 * 10**9, decode_seconds=10)


@dataclass(frozen=True)
class SoundDoor:
    """``files``: what is mutated. ``scratch``: the job's folder, emptied after every case as a job's is."""

    files: tuple[bytes, ...]
    sounds: Sounds
    kept: KeptSpeech
    scratch: Path

    def make(self, random: Random) -> bytes:
        return mutated(self.files, random)

    def run(self, case: bytes) -> None:
        request = Generate(session_id="session", audio_base64=base64.b64encode(case).decode())
        with nothing_left(), no_unforeseen_errors():
            try:
                self._hear(request)
            finally:
                left = {path.name for path in self.scratch.iterdir()}
                assert left <= {"recording", "recording.pcm"}, f"files stay behind: {left}"
                for name in left:
                    (self.scratch / name).unlink()

    def _hear(self, request: Generate) -> None:
        self.sounds.check(request)
        with self.sounds.open(request, self.kept, self.scratch, CancelToken()) as sound:
            downsampler, played, heard = Downsampler(), 0, 0
            for piece in sound.pieces:
                played += piece.samples.size
                heard += downsampler.push(piece.samples).size
            heard += downsampler.finish().size
        assert 4_800 <= played <= LIMITS.max_seconds * 48_000 + 48_000, f"{played} samples are played"
        assert heard == -(-played // 3), f"{heard} samples are heard of {played}"


@contextmanager
def _open(folder: Path) -> Iterator[SoundDoor]:
    files = tuple(made(SOUNDS, folder).values())
    scratch = folder / "scratch"
    scratch.mkdir()
    sounds = Sounds(EspeakVoice(), GuardedFetcher(FetchPolicy()), LIMITS, FetchLimits(10**6, 10), 100)
    yield SoundDoor(files, sounds, KeptSpeech(LocalStore(folder / "store"), "speech"), scratch)


DOOR = Door("sounds", cases=1500, slice=6, limit=30, open=_open)
