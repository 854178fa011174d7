"""A caller's own recording, as long as wanted."""

from __future__ import annotations

import base64
import io
from fractions import Fraction

import av
import numpy as np
from av import AudioFrame

from bench.compose_encode import hum
from engine.timebase import PLAYED_RATE

MP3_BITS = 64_000
SWELLS_A_SECOND = 4


def mp3_base64(seconds: int) -> str:
    """A mono MP3 of a hum that swells four times a second, in base64."""
    at = np.arange(PLAYED_RATE) / PLAYED_RATE
    second = (hum(PLAYED_RATE) * (1 - np.cos(2 * np.pi * SWELLS_A_SECOND * at)) / 2).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as output:
        track = output.add_stream("libmp3lame", rate=PLAYED_RATE, layout="mono", bit_rate=MP3_BITS)
        for number in range(seconds):
            frame = AudioFrame.from_ndarray(second[np.newaxis], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = PLAYED_RATE, number * PLAYED_RATE, Fraction(1, PLAYED_RATE)
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return base64.b64encode(buffer.getvalue()).decode()
