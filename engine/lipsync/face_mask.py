"""From what a face's pixels show to the mask through which MuseTalk's picture replaces the frame's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.lipsync.face_box import Bounds
from engine.lipsync.pillow_resize import BICUBIC, BILINEAR, resize_square
from engine.video.i420 import Box, Bytes

SIDE = 512
"""Width and height of the picture that is parsed, and of the classes that come back."""
SKIN, NOSE, MOUTH, UPPER_LIP, LOWER_LIP, NECK = 1, 10, 11, 12, 13, 14
"""Of the parser's 19 classes."""
EXPAND = 1.5
"""The parsed square's side in the longer sides of the face's box."""
BLUR = 0.1
"""The blur's width in the parsed square's side, as the reference's real-time script has it."""
CHEEK_WIDTH = 90
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
"""Of ImageNet's red, green and blue."""
NORMAL = ((np.arange(256, dtype=np.float32) / np.float32(255))[:, None] - MEAN) / DEVIATION
"""(256, 3): what the parser is shown for each level of red, green and blue."""


ParsingMode = Literal["jaw", "raw", "neck"]
"""What is replaced. raw: skin and mouth. neck: the neck too. jaw: as raw, with skin grown, but not the cheeks'."""


@dataclass(frozen=True)
class MaskRules:
    """How classes become a mask.

    The cheek widths are the columns of the parsed square, at most SIDE / 2, from its middle to where the left and
    the right cheek begin; only ``jaw`` heeds them.
    """

    mode: ParsingMode = "jaw"
    left_cheek_width: int = CHEEK_WIDTH
    right_cheek_width: int = CHEEK_WIDTH


@dataclass(frozen=True)
class BlendMask:
    """mask: uint8 (box height, box width), 255 where the frame's picture is replaced. box: within the frame."""

    box: Box
    mask: Bytes


def parsed_square(face: Bounds) -> Bounds:
    """The square about a face's box that is parsed; it may reach beyond the frame.

    Source: ``get_crop_box`` in MuseTalk's ``blending.py``.
    """
    x, y = (face.left + face.right) // 2, (face.top + face.bottom) // 2
    half = int(max(face.width, face.height) // 2 * EXPAND)
    return Bounds(x - half, y - half, x + half, y + half)


def parser_input(picture: Bytes, face: Bounds) -> NDArray[np.float32]:
    """What the parser is shown of a BGR frame, uint8 (H, W, 3): float32 (3, SIDE, SIDE), normalised RGB.

    Equal to Pillow's crop and bilinear resize followed by torchvision's ``ToTensor`` and ``Normalize``.
    """
    square = parsed_square(face).cut(picture)
    planes = resize_square(square[:, :, ::-1].transpose(2, 0, 1), SIDE, BILINEAR)
    return np.stack([NORMAL[plane, channel] for channel, plane in enumerate(planes)])


def blend_mask(classes: Bytes, face: Bounds, size: tuple[int, int], rules: MaskRules) -> BlendMask | None:
    """The mask of a face in a frame of ``size`` (even width and height), or None where it is empty.

    classes: uint8 (SIDE, SIDE), the parser's answer to ``parser_input``.
    Source: ``get_image_prepare_material`` in MuseTalk's ``blending.py``.
    """
    square = parsed_square(face)
    region = resize_square(replaced(classes, rules), square.width, BICUBIC)
    lower = _lower_half_of(face, square, region)
    blur = int(BLUR * square.width // 2 * 2) + 1
    return _within_frame(np.asarray(cv2.GaussianBlur(lower, (blur, blur), 0), np.uint8), square, size)


def replaced(classes: Bytes, rules: MaskRules) -> Bytes:
    """255 where the parsed square's picture is replaced, 0 elsewhere: uint8, of the shape of ``classes``.

    Source: ``FaceParsing.__call__`` in MuseTalk's ``face_parsing/__init__.py``.
    """
    match rules.mode:
        case "raw":
            shown = np.isin(classes, (SKIN, MOUTH, UPPER_LIP, LOWER_LIP))
        case "neck":
            shown = np.isin(classes, (SKIN, MOUTH, UPPER_LIP, LOWER_LIP, NECK))
        case "jaw":
            shown = (_jaw(classes, rules) & (classes != NOSE)) | np.isin(classes, (MOUTH, UPPER_LIP, LOWER_LIP))
    return np.where(shown, np.uint8(255), np.uint8(0))


def _jaw(classes: Bytes, rules: MaskRules) -> NDArray[np.bool_]:
    """The skin, grown; on the cheeks, trimmed from the sides again."""
    grown = cv2.dilate((classes == SKIN).astype(np.uint8), GROWTH)
    trimmed = cv2.erode(grown, TRIM, iterations=2)
    columns, middle = np.arange(classes.shape[1]), SIDE // 2
    cheek = (columns <= middle - rules.left_cheek_width) | (columns >= middle + rules.right_cheek_width)
    return np.asarray(np.where(cheek, trimmed, grown), np.bool_)


def _growth() -> Bytes:
    """Where skin makes the pixel in the middle skin too: from 6 rows above to 16 below, in a cone and then a column."""
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        reach = min(row - 10, 10)
        kernel[row, 16 - reach : 17 + reach] = 1
    return kernel


def _trim() -> Bytes:
    """An ellipse of 35 x 3: a row, and a pixel above and below its middle."""
    kernel = np.zeros((3, 35), np.uint8)
    kernel[1] = 1
    kernel[:, 17] = 1
    return kernel


GROWTH, TRIM = _growth(), _trim()


def _lower_half_of(face: Bounds, square: Bounds, region: Bytes) -> Bytes:
    """The region inside the face's box and the square's lower half, black elsewhere."""
    lower = np.zeros_like(region)
    top = max(face.top - square.top, square.height // 2)
    inside = (slice(top, face.bottom - square.top), slice(face.left - square.left, face.right - square.left))
    lower[inside] = region[inside]
    return lower


def _within_frame(mask: Bytes, square: Bounds, size: tuple[int, int]) -> BlendMask | None:
    """The part of the square's mask that isn't empty and lies in the frame, in a box of even edges."""
    top, left = max(0, -square.top), max(0, -square.left)
    seen = mask[top : size[1] - square.top, left : size[0] - square.left]
    if not seen.any():
        return None
    upper, lower = _even_span(np.flatnonzero(seen.any(1)) + square.top + top)
    first, last = _even_span(np.flatnonzero(seen.any(0)) + square.left + left)
    part = Bounds(first, upper, last, lower).moved(-square.left, -square.top)
    return BlendMask(Box(first, upper, last, lower), part.cut(mask))


def _even_span(indices: NDArray[np.intp]) -> tuple[int, int]:
    """The shortest even [start, stop) that holds all of the rising indices."""
    return int(indices[0]) // 2 * 2, int(indices[-1]) // 2 * 2 + 2
