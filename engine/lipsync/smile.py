"""Sees the teeth of an avatar that smiles: the mouth then opens below them, not at the upper lip."""

from __future__ import annotations

import numpy as np

from engine.lipsync.mouth import MouthLine
from engine.video.i420 import I420

COLOURLESS = 0.55
"""Teeth have less than this share of the lips' redness (V over grey)."""
SEARCHED = 0.6
"""Teeth end above this share of the half width below the upper lip."""
LEAST = 0.1
MARGIN = 0.08
"""The line is laid so much deeper: a rim of teeth that went down with the lip would be seen twice."""
MIDDLE = 0.35


def teeth_showing(frame: I420, mouth: MouthLine) -> float:
    """How far the teeth reach below the upper lip's edge, in half widths of the mouth; 0 for closed lips.

    Teeth are rows that are much less red than the lips' edge and no darker than the skin above the mouth.
    """
    steps = max(4, round(SEARCHED * mouth.half))
    depths = np.linspace(0.0, SEARCHED, steps + 1)
    rows = [_row(frame, mouth, float(depth)) for depth in depths]
    lip = max(red for _, red in rows[: max(2, steps // 6)])
    skin, _ = _row(frame, mouth, -0.3)
    if lip <= 0:
        return 0.0
    bare = [depth for depth, (light, red) in zip(depths, rows, strict=True) if red < COLOURLESS * lip and light > skin]
    deepest = float(max(bare, default=0.0))
    return deepest + MARGIN if deepest >= LEAST else 0.0


def _row(frame: I420, mouth: MouthLine, depth: float) -> tuple[float, float]:
    """Mean lightness, and redness over grey, of the mouth's middle so many half widths below its line."""
    y = mouth.y + depth * mouth.half
    first, last = mouth.x - MIDDLE * mouth.half, mouth.x + MIDDLE * mouth.half
    luma, chroma = frame.y[_place(y, frame.height)], frame.v[_place(y / 2, frame.height // 2)]
    light = luma[_place(first, frame.width) : _place(last, frame.width) + 1]
    red = chroma[_place(first / 2, frame.width // 2) : _place(last / 2, frame.width // 2) + 1]
    return float(light.mean()), float(red.mean()) - 128


def _place(where: float, length: int) -> int:
    return min(max(round(where), 0), length - 1)
