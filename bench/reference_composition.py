"""Composition as MuseTalk's scripts do it (commit 0a89dec), written anew from a description.

For every frame: a deep copy, the whole picture through Pillow and back with its channels turned round twice, a
PNG file.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.scene import Scene
from engine.video.i420 import Box, Bytes


def composed_to_png(scene: Scene, folder: Path) -> None:
    """Every frame with its mouth, as a numbered PNG file in ``folder``."""
    around = around_of(scene.box, scene.size)
    mask = np.zeros((around.height, around.width), np.uint8)
    left, top = scene.box.left - around.left, scene.box.top - around.top
    mask[top : top + scene.box.height, left : left + scene.box.width] = scene.mask
    for number, (frame, crop) in enumerate(zip(scene.bgr_frames, scene.bgr_crops, strict=True)):
        picture = pasted(deepcopy(frame), crop, scene.box, mask, around)
        cv2.imwrite(str(folder / f"{number:08d}.png"), picture)


def pasted(frame: Bytes, crop: Bytes, box: Box, mask: Bytes, around: Box) -> Bytes:
    """``crop`` over ``frame`` by way of Pillow: pasted into a larger cut-out, and that through the mask."""
    body = Image.fromarray(frame[:, :, ::-1])
    face = body.crop((around.left, around.top, around.right, around.bottom))
    face.paste(Image.fromarray(crop[:, :, ::-1]), (box.left - around.left, box.top - around.top))
    body.paste(face, (around.left, around.top), Image.fromarray(mask).convert("L"))
    return np.asarray(np.array(body)[:, :, ::-1], np.uint8)


def around_of(box: Box, size: tuple[int, int]) -> Box:
    """The square of one and a half times the box that the scripts cut out, as far as it lies in a frame of ``size``."""
    width, height = size
    grown = box.width // 4
    return Box(
        max(0, box.left - grown),
        max(0, box.top - grown),
        min(width, box.right + grown),
        min(height, box.bottom + grown),
    )
