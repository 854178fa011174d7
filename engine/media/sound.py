"""A caller's sound as samples in a file: the door to everything that comes in as audio.

The file is decoded in a process of its own; samples are written as they come, so memory doesn't grow
with length.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, sqrt
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engine.cancel import CancelToken
from engine.errors import AudioSilent, AudioTooLarge, AudioTooLong, AudioTooShort, AudioUnreadable
from engine.media.child import SOUND, Child, ChildFailed, child_decoding
from engine.media.complaints import Complaints
from engine.media.limits import SoundLimits
from engine.media.wire import LARGEST_SOUND, Ending, Kind, Reason, SoundHeader
from engine.timebase import PLAYED_RATE

SHORTEST_SECONDS = 0.1
SILENCE_DBFS = -60.0
FULL_SCALE = 32_768
SAMPLE_BYTES = 2

_COMPLAINTS = Complaints(
    thing="audio",
    file="audio file",
    simpler="it as WAV or MP3",
    sentences={
        Reason.NOT_MEDIA: "The audio is not a sound file that can be read: send WAV, MP3, M4A, OGG or FLAC.",
        Reason.NO_SOUND: "The file given as audio holds no sound: send WAV, MP3, M4A, OGG or FLAC.",
        Reason.NOTHING_DECODES: "Nothing of the audio can be decoded: the file is damaged, cut short or of an "
        "unsupported kind.",
        Reason.MEMORY: "The audio takes too much memory to decode: send it as WAV or MP3.",
    },
    unreadable=AudioUnreadable,
    too_long=AudioTooLong,
    too_large=AudioTooLarge,
)


@dataclass(frozen=True)
class DecodedSound:
    """What was written: mono int16 samples of 48 kHz in the machine's byte order, and how loud they are."""

    samples: int
    peak_dbfs: float
    rms_dbfs: float
    codec: str
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.samples / PLAYED_RATE


def decode_sound(path: Path, target: Path, limits: SoundLimits, cancel: CancelToken) -> DecodedSound:
    """Write the sound of the file at ``path`` to ``target`` as raw samples.

    When it fails there is no target.

    Raises AudioUnreadable, AudioTooShort, AudioTooLong, AudioTooLarge, AudioSilent, Cancelled, and
    OSError when the file isn't there or the disk is full.
    """
    _COMPLAINTS.check_size(path, limits)
    try:
        with target.open("wb") as file:
            sound = _decode(path, file, limits, cancel)
        _check_audible(sound)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return sound


def _decode(path: Path, target: BinaryIO, limits: SoundLimits, cancel: CancelToken) -> DecodedSound:
    with (
        child_decoding(path, SOUND, limits.task, limits.decode_seconds, cancel) as child,
        _COMPLAINTS.told(limits),
    ):
        header = child.expect(Kind.HEADER, SoundHeader)
        loudness = _Loudness()
        ending = _copy(child, target, loudness, limits)
    return DecodedSound(
        samples=loudness.samples,
        peak_dbfs=loudness.peak_dbfs,
        rms_dbfs=loudness.rms_dbfs,
        codec=header.codec,
        warnings=_COMPLAINTS.warnings(ending.flaws),
    )


def _copy(child: Child, target: BinaryIO, loudness: _Loudness, limits: SoundLimits) -> Ending:
    while (message := child.next()).kind is Kind.SOUND:
        piece = child.read(message, LARGEST_SOUND)
        if len(piece) % SAMPLE_BYTES or loudness.samples > limits.max_seconds * PLAYED_RATE:
            raise ChildFailed("the decoding process sent half a sample, or too many")
        loudness.hear(np.frombuffer(piece, np.int16))
        target.write(piece)
    if message.kind is not Kind.END:
        raise ChildFailed("the decoding process sent its messages in another order")
    return child.body(message, Ending)


class _Loudness:
    """Peak and mean power of samples that come in pieces."""

    def __init__(self) -> None:
        self.samples = 0
        self._peak = 0
        self._power = 0.0

    def hear(self, piece: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        levels = np.abs(piece.astype(np.float64))
        self.samples += len(piece)
        self._peak = max(self._peak, int(levels.max(initial=0)))
        self._power += float(levels @ levels)

    @property
    def peak_dbfs(self) -> float:
        return _dbfs(self._peak)

    @property
    def rms_dbfs(self) -> float:
        return _dbfs(sqrt(self._power / self.samples) if self.samples else 0)


def _dbfs(level: float) -> float:
    return 20 * log10(level / FULL_SCALE) if level else float("-inf")


def _check_audible(sound: DecodedSound) -> None:
    if sound.seconds < SHORTEST_SECONDS:
        hundredths = int(sound.seconds * 100)
        raise AudioTooShort(
            f"The audio is {hundredths / 100:.2f} seconds long: send at least {SHORTEST_SECONDS} seconds."
        )
    if sound.peak_dbfs < SILENCE_DBFS:
        raise AudioSilent("The audio holds nothing but silence: send a recording of a voice.")
