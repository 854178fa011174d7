"""Pictures to measure with, the same every time: soft colours that sway under a camera's grain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.video.bgr import i420_of
from engine.video.i420 import I420, Box, Bytes

SWAY = 16
"""How far the scene moves, in pixels."""
GRAIN = 1.5
"""The camera's noise: standard deviation in levels."""


@dataclass(frozen=True)
class Scene:
    """Frames and mouths to lay over them, each in both forms, so that no conversion is measured.

    frames, crops: as the service keeps them; bgr_frames, bgr_crops: the same pictures as (H, W, 3) uint8.
    box: where the crops belong; mask: of the box's size, zero in its upper half, soft at the edges.
    """

    frames: list[I420]
    bgr_frames: list[Bytes]
    crops: list[I420]
    bgr_crops: list[Bytes]
    box: Box
    mask: Bytes

    @property
    def size(self) -> tuple[int, int]:
        return self.frames[0].width, self.frames[0].height


def swaying_scene(width: int, height: int, side: int, count: int) -> Scene:
    """``count`` frames that sway under grain, and crops of ``side`` pixels with a mouth that opens and closes."""
    left, top = (width - side) // 4 * 2, (height - side) // 4 * 2
    box = Box(left, top, left + side, top + side)
    bgr_frames = list(_swaying(width, height, count))
    bgr_crops = [_mouth(frame[box.top : box.bottom, box.left : box.right], at) for at, frame in enumerate(bgr_frames)]
    frames = [i420_of(picture) for picture in bgr_frames]
    crops = [i420_of(picture) for picture in bgr_crops]
    return Scene(frames, bgr_frames, crops, bgr_crops, box, lower_half(side))


def lower_half(side: int) -> Bytes:
    """A mask like MuseTalk's: the lower half of the face's oval, blurred by a tenth of the side."""
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (side // 2, side // 2), (side * 2 // 5, side * 9 // 20), 0, 0, 360, 255, -1)
    mask[: side // 2] = 0
    kernel = side // 20 * 2 + 1
    return np.asarray(cv2.GaussianBlur(mask, (kernel, kernel), 0), np.uint8)


def _swaying(width: int, height: int, count: int) -> Iterator[Bytes]:
    random = np.random.default_rng(7)
    colours = _soft_colours(random, width + 2 * SWAY, height + 2 * SWAY)
    grains = [random.normal(0, GRAIN, (height, width, 1)).round().astype(np.int16) for _ in range(5)]
    for at in range(count):
        x, y = round(SWAY * (1 + np.sin(at / 20))), round(SWAY * (1 + np.cos(at / 15)))
        yield np.clip(colours[y : y + height, x : x + width] + grains[at % 5], 0, 255).astype(np.uint8)


def _soft_colours(random: np.random.Generator, width: int, height: int) -> NDArray[np.int16]:
    coarse = random.integers(40, 216, (height // 40, width // 40, 3), dtype=np.uint8)
    fine = random.integers(0, 60, (height // 4, width // 4, 1), dtype=np.uint8)
    size = (width, height)
    soft = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    detail = cv2.resize(fine, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.asarray(soft + detail[:, :, np.newaxis] - 30, np.int16)


def _mouth(face: Bytes, at: int) -> Bytes:
    picture = face.copy()
    side = len(picture)
    opening = round(side * 0.06 * (1 + np.sin(at / 2)))
    cv2.ellipse(picture, (side // 2, side * 3 // 4), (side // 6, opening), 0, 0, 360, (40, 30, 60), -1)
    return picture
