"""What a generate speaks: a text through the voice, the caller's own recording, or nothing."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.avatar.key import file_sha256, text_sha256
from engine.cancel import CancelToken
from engine.errors import AudioTooLarge, AudioTooShort, AudioUnreadable
from engine.fetching.download import FetchLimits, GuardedFetcher
from engine.kept_speech import KeptSpeech
from engine.media.limits import SoundLimits
from engine.media.sound import decode_sound
from engine.schemas import Generate
from engine.speech.recorded import read_pieces
from engine.speech.text import spoken_text
from engine.speech.voice import SpeechPiece, SpeechRequest, Utterance, Voice, VoiceSettings
from engine.timebase import FRAME_RATE, PLAYED_PER_FRAME, PLAYED_RATE
from engine.video.output import disk_errors

WHITE_SPACE = re.compile(r"\s")
CHARACTERS_PER_SECOND = 15
"""About how fast people speak: what progress reckons with until the speech has ended."""


@dataclass(frozen=True)
class Sound:
    """Sound about to be made or read.

    ``likely_frames`` is a guess for text, exact for a recording, and None for silence, which doesn't end.
    sha256: of the text as it came, or of the sound's file; None for silence.
    """

    pieces: Generator[SpeechPiece, None, None]
    likely_frames: int | None
    sha256: str | None
    voice_used: str | None = None
    characters: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sounds:
    """Opens the sound of a generate."""

    voice: Voice
    fetcher: GuardedFetcher
    limits: SoundLimits
    fetch_limits: FetchLimits
    max_text_characters: int

    def check(self, request: Generate) -> None:
        """Raise what is wrong with the text, the base64 or the address, without making any sound."""
        if request.text is not None:
            spoken_text(request.text, self.max_text_characters)
        elif request.audio_url is not None:
            self.fetcher.check(request.audio_url)
        elif request.audio_base64 is not None:
            self._decoded(request.audio_base64)

    @contextmanager
    def open(self, request: Generate, kept: KeptSpeech, scratch: Path, cancel: CancelToken) -> Iterator[Sound]:
        """Begin to speak the text, or bring the recording into ``scratch`` and check it; the sound lasts for the block.
        An idle request's is silence without end.

        Speech that costs money is bought in a thread of its own, ``kept`` once it is whole, and given as soon as its
        first piece is there. Raises the text's, the voice's and the recording's errors, and StorageFull.
        """
        if request.idle:
            with closing(_silence()) as pieces:
                yield Sound(pieces, None, None)
            return
        if request.text is None:
            with disk_errors():
                sound = self._recorded(self._recording(request, scratch, cancel), scratch, cancel)
            with closing(sound.pieces):
                yield sound
            return
        spoken = spoken_text(request.text, self.max_text_characters)
        settings = request.voice_settings or VoiceSettings()
        wanted = SpeechRequest(spoken, request.voice_id, request.model_id, settings)
        likely = max(1, len(spoken) * FRAME_RATE // CHARACTERS_PER_SECOND)
        with self._speaking(wanted, kept, scratch, cancel) as utterance, closing(utterance.pieces):
            hashed = text_sha256(request.text)
            yield Sound(utterance.pieces, likely, hashed, utterance.voice_used, utterance.characters)

    def _speaking(
        self, wanted: SpeechRequest, kept: KeptSpeech, scratch: Path, cancel: CancelToken
    ) -> AbstractContextManager[Utterance]:
        if self.voice.paid:
            return kept.recall_or_buy(partial(self.voice.speak, wanted), scratch, cancel)
        return nullcontext(self.voice.speak(wanted, cancel))

    def _recording(self, request: Generate, scratch: Path, cancel: CancelToken) -> Path:
        target = scratch / "recording"
        if request.audio_url is not None:
            self.fetcher.download(request.audio_url, target, self.fetch_limits, cancel)
        else:
            target.write_bytes(self._decoded(request.audio_base64 or ""))
        return target

    def _decoded(self, text: str) -> bytes:
        encoded = text.partition(",")[2] if text.startswith("data:") else text
        if WHITE_SPACE.search(encoded):
            # Where it isn't needed this would be another copy of many megabytes.
            encoded = "".join(encoded.split())
        if len(encoded) > self.limits.max_bytes * 4 // 3 + 4:
            raise AudioTooLarge(f"The sound is larger than the limit of {self.limits.max_bytes:,} bytes.")
        try:
            sound = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise AudioUnreadable("`audio_base64` is not base64. Encode the sound file's bytes as they are.") from None
        if not sound:
            raise AudioTooShort("`audio_base64` is empty. Send a sound of at least 0.1 s.")
        return sound

    def _recorded(self, file: Path, scratch: Path, cancel: CancelToken) -> Sound:
        decoded = decode_sound(file, scratch / "recording.pcm", self.limits, cancel)
        frames = max(1, -(-decoded.samples // PLAYED_PER_FRAME))
        hashed = file_sha256(file, cancel)
        return Sound(read_pieces(scratch / "recording.pcm"), frames, hashed, warnings=decoded.warnings)


def _silence() -> Generator[SpeechPiece, None, None]:
    while True:
        yield SpeechPiece(np.zeros(PLAYED_RATE, np.int16))
