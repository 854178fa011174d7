"""How long finding a face's landmarks takes, with onnxruntime: with the official file, or one of its layout."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench import seeded_pose
from bench.gpu_place import Place
from bench.network_sizes import QUICK
from engine.lipsync.landmarks import FaceLandmarks, Shown
from engine.stages import batched
from engine.video.i420 import Bytes


def landmark_seconds(place: Place, pictures: Sequence[Bytes]) -> tuple[str, float]:
    """On which device onnxruntime works, and seconds a picture, BGR uint8 (H, W, 3)."""
    with TemporaryDirectory() as folder:
        finder = FaceLandmarks(place.landmarks or _seeded(place, Path(folder)), len(os.sched_getaffinity(0)))
        _find(finder, pictures[: finder.batch])
        began = time.perf_counter()
        _find(finder, pictures)
        return finder.device, (time.perf_counter() - began) / len(pictures)


def _find(finder: FaceLandmarks, pictures: Sequence[Bytes]) -> None:
    for batch in batched(pictures, finder.batch):
        finder.find([Shown.of(picture) for picture in batch])


def _seeded(place: Place, folder: Path) -> Path:
    path, (width, height) = folder / "pose.onnx", place.amounts.size
    size = seeded_pose.QUICK if place.configs == QUICK else seeded_pose.FULL
    answers = seeded_pose.Answers.of(np.full((68, 2), (width / 2, height / 2)), width, height)
    seeded_pose.write_pose(path, size, answers, seed=0)
    return path
