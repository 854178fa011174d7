"""How a still portrait moves: the head turns, nods and sways about the neck, the shoulders breathe.

The places are the portrait's own, as shares of its width and height.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.timebase import FRAME_RATE
from engine.video.i420 import I420, Bytes

SECONDS = 6
FRAMES = SECONDS * FRAME_RATE

Field = NDArray[np.float32]
"""A value for every pixel: shape (height, width)."""

HEAD_CENTRE = (0.515, 0.30)
HEAD_RADII = (0.225, 0.265)
FACE_CENTRE = (0.52, 0.375)
FACE_RADII = (0.215, 0.225)
NECK = (0.52, 0.60)
SHOULDERS_FROM, SHOULDERS_TO = 0.54, 0.76


@dataclass(frozen=True)
class Pose:
    """Where the head is at one moment. Lengths are shares of the portrait's width, ``roll`` is radians."""

    turn: float
    nod: float
    sway: float
    roll: float
    breath: float

    @classmethod
    def at(cls, share: float) -> Pose:
        """The pose when ``share`` (0 to 1) of the clip has passed; the same at 0 and at 1."""
        return cls(
            turn=0.0075 * _wave(share, 1, 0.05) + 0.0035 * _wave(share, 2, 0.55),
            nod=0.0040 * _wave(share, 2, 0.30) + 0.0025 * _wave(share, 3, 0.80),
            sway=0.0030 * _wave(share, 1, 0.15) + 0.0012 * _wave(share, 3, 0.40),
            roll=0.0090 * _wave(share, 1, 0.65) + 0.0040 * _wave(share, 2, 0.10),
            breath=0.0026 * _wave(share, 2, 0.0),
        )


def _wave(share: float, periods: int, phase: float) -> float:
    return sin(2 * pi * (periods * share + phase))


class PortraitMotion:
    """Displaces a portrait of one size."""

    def __init__(self, width: int, height: int) -> None:
        self._luma = _Warp(width, height, 1)
        self._chroma = _Warp(width // 2, height // 2, 2)

    def frame(self, still: I420, index: int) -> I420:
        """The portrait as it stands in frame ``index`` of the clip."""
        pose = Pose.at(index / FRAMES)
        moved = I420.blank(still.width, still.height)
        moved.y[:] = self._luma.moved(still.y, pose)
        for plane, source in ((moved.u, still.u), (moved.v, still.v)):
            plane[:] = self._chroma.moved(source, pose)
        return moved


class _Warp:
    """The displacement of one plane's grid; ``step`` is how many pixels of the portrait a sample spans."""

    def __init__(self, width: int, height: int, step: int) -> None:
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._x, self._y = x, y
        # 4:2:0 puts chroma samples between luma rows, at the left luma column.
        across = x / np.float32(width)
        down = (y + np.float32((step - 1) / (2 * step))) / np.float32(height)
        self._width, self._aspect = width, height / width
        self._head = _fall_off(_distance(across, down, HEAD_CENTRE, HEAD_RADII), 0.95, 1.75)
        self._depth = np.maximum(1 - _distance(across, down, FACE_CENTRE, FACE_RADII) ** 2, np.float32(0))
        self._from_neck = across - NECK[0], (down - NECK[1]) * self._aspect
        self._chest = 1 - _fall_off(down, SHOULDERS_FROM, SHOULDERS_TO)

    def moved(self, plane: Bytes, pose: Pose) -> Bytes:
        across, down = self._from_neck
        right = self._head * (pose.sway - pose.roll * down) + self._depth * pose.turn
        lower = self._head * (pose.roll * across - 0.6 * pose.breath) + self._depth * pose.nod
        right += self._chest * pose.breath * 0.5 * across
        lower -= self._chest * pose.breath
        source_x, source_y = self._x - right * self._width, self._y - lower * self._width
        drawn = cv2.remap(plane, source_x, source_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(drawn, np.uint8)


def _distance(across: Field, down: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    sideways, upright = (across - centre[0]) / radii[0], (down - centre[1]) / radii[1]
    return np.asarray(np.sqrt(sideways * sideways + upright * upright), np.float32)


def _fall_off(value: Field, full: float, nothing: float) -> Field:
    """1 up to ``full``, 0 from ``nothing`` on, smooth between."""
    share = np.clip((value - full) / (nothing - full), 0, 1)
    return np.asarray(1 - share * share * (3 - 2 * share), np.float32)
