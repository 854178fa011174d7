"""A face track and its frames' places as one safetensors file.

Names in the file, for N frames and M masks:
- ``boxes`` (N, 4) int32 and ``mask_index`` (N,) int32 as FaceTrack has them
- ``frame_offsets`` (N + 1,) int64 as IntraIndex has them
- ``mask_shapes`` (M, 2) int32: rows and columns of each mask
- ``mask_pixels`` uint8: the masks' rows, one mask after the other
- ``data.{name}``: the renderer's own arrays, N rows each
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from engine.errors import BundleDamaged
from engine.lipsync.renderer import Array, Face, FaceTrack
from engine.video.i420 import Bytes
from engine.video.intra import IntraIndex

DATA_PREFIX = "data."


@dataclass(frozen=True)
class TrackShape:
    """What a track has to fit: N frames of width x height pixels in a file of ``stream_bytes``."""

    frames: int
    width: int
    height: int
    stream_bytes: int


def write_track(path: Path, track: FaceTrack, index: IntraIndex) -> None:
    """Write the file. The face itself, which is for people, stands in the bundle's manifest."""
    arrays: dict[str, Array] = {
        "boxes": track.boxes,
        "mask_index": track.mask_index,
        "frame_offsets": index.offsets,
        "mask_shapes": np.array([mask.shape for mask in track.masks], np.int32).reshape(-1, 2),
        "mask_pixels": np.concatenate([np.zeros(0, np.uint8), *(mask.reshape(-1) for mask in track.masks)]),
    }
    arrays |= {DATA_PREFIX + name: array for name, array in track.data.items()}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_track(path: Path, shape: TrackShape, face: Face) -> tuple[FaceTrack, IntraIndex]:
    """Read the file back.

    Raises BundleDamaged when it is no safetensors file or anything in it contradicts ``shape`` or itself.
    """
    arrays = _load(path)
    frames = shape.frames
    boxes = _array(arrays, "boxes", np.int32, (frames, 4))
    mask_index = _array(arrays, "mask_index", np.int32, (frames,))
    masks = _masks(arrays)
    _check_faces(boxes, mask_index, masks, shape)
    track = FaceTrack(boxes, mask_index, masks, _data(arrays, frames), face)
    return track, _index(arrays, shape)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleDamaged("The avatar's track can't be read.") from error


def _array(arrays: Mapping[str, Array], name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of that name; -1 in ``shape`` stands for any length."""
    array = arrays.get(name)
    _require(array is not None, f"has no {name}")
    assert array is not None
    _require(array.dtype == np.dtype(dtype), f"has {name} of another type")
    fits = array.ndim == len(shape) and all(wanted in (-1, got) for wanted, got in zip(shape, array.shape, strict=True))
    _require(fits, f"has {name} of another shape")
    return array


def _index(arrays: Mapping[str, Array], shape: TrackShape) -> IntraIndex:
    offsets = _array(arrays, "frame_offsets", np.int64, (shape.frames + 1,))
    _require(int(offsets[0]) == 0 and bool((np.diff(offsets) > 0).all()), "has frame_offsets that don't rise from 0")
    _require(int(offsets[-1]) == shape.stream_bytes, "has frame_offsets that end elsewhere than the frames do")
    return IntraIndex(offsets, shape.width, shape.height)


def _masks(arrays: Mapping[str, Array]) -> tuple[Bytes, ...]:
    shapes = _array(arrays, "mask_shapes", np.int32, (-1, 2)).astype(np.int64)
    pixels: Bytes = _array(arrays, "mask_pixels", np.uint8, (-1,))
    _require(bool((shapes > 0).all()), "has masks without pixels")
    areas = [int(rows) * int(columns) for rows, columns in shapes]
    _require(sum(areas) == len(pixels), "has more or fewer mask_pixels than its masks take")
    parts = np.split(pixels, np.cumsum(areas)[:-1]) if areas else []
    return tuple(part.reshape(tuple(shape)) for part, shape in zip(parts, shapes, strict=True))


def _check_faces(
    boxes: NDArray[np.int32], mask_index: NDArray[np.int32], masks: tuple[Bytes, ...], shape: TrackShape
) -> None:
    _require(bool(((mask_index >= -1) & (mask_index < len(masks))).all()), "points at masks it doesn't have")
    faced = mask_index >= 0
    _require(not boxes[~faced].any(), "has boxes for frames without a face")
    left, top, right, bottom = boxes[faced].astype(np.int64).T
    inside = (
        (left >= 0) & (left < right) & (right <= shape.width) & (top >= 0) & (top < bottom) & (bottom <= shape.height)
    )
    _require(bool(inside.all()), "has boxes outside the frame")
    _require(not (boxes & 1).any(), "has boxes with odd edges")
    sizes = np.array([mask.shape for mask in masks], np.int64).reshape(-1, 2)[mask_index[faced]]
    _require(
        bool((sizes == np.stack([bottom - top, right - left], axis=1)).all()), "has masks of another size than boxes"
    )


def _data(arrays: Mapping[str, Array], frames: int) -> dict[str, Array]:
    data = {name.removeprefix(DATA_PREFIX): array for name, array in arrays.items() if name.startswith(DATA_PREFIX)}
    for name, array in data.items():
        _require(array.ndim > 0 and len(array) == frames, f"has another number of rows of {name} than frames")
        _require(
            array.dtype.kind != "f" or bool(np.isfinite(array).all()), f"has {name} with values that are no numbers"
        )
    return data


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BundleDamaged(f"The avatar's track {what}.")
