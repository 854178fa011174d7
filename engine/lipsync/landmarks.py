"""The 68 points of a face, found by DWPose (Yang et al. 2023, arXiv 2307.15880) in its ONNX export.

As in MuseTalk's preparation the network sees the whole frame, and its mirror image, whose answer is averaged in.
Geometry, averaging and scores are those of mmpose 1.1 with ``rtmpose-l_8xb32-270e_coco-ubody-wholebody-384x288``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from engine.errors import WeightsDamaged, WeightsMissing
from engine.lipsync.face_box import Points
from engine.stages import batched
from engine.video.i420 import Bytes

log = logging.getLogger(__name__)

Maps = NDArray[np.float32]

WIDTH, HEIGHT = 288, 384
"""The network's picture."""
BINS = 2
"""Bins a pixel of the network's picture in which it answers."""
ROOM = 1.25
"""The network's picture shows this many times the frame's width and height."""
KEYPOINTS = 133
FACE = slice(23, 91)
"""The face among COCO-WholeBody's 133 points."""
CUDA = "CUDAExecutionProvider"
GPU_BATCH = 8
"""Frames that a GPU is given at once."""
LEAST_SCORE = 0.3
"""Mean score of the points below which a frame shows no face."""
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
"""Of ImageNet's red, green and blue."""
SHAPES = {
    "input": (1, 3, HEIGHT, WIDTH),
    "simcc_x": (1, KEYPOINTS, BINS * WIDTH),
    "simcc_y": (1, KEYPOINTS, BINS * HEIGHT),
}
UNREADABLE = (
    failures.InvalidProtobuf,
    failures.InvalidGraph,
    failures.InvalidArgument,
    failures.NotImplemented,
    failures.RuntimeException,
    failures.Fail,
)
"""What onnxruntime raises for a file that is damaged or no network; its errors share no base class."""


def _mirror() -> NDArray[np.intp]:
    """For each of the 68 points, which one shows the same place in a mirror."""
    jaw, brows, nostrils = range(17), range(17, 27), range(31, 36)
    eyes, lower_lids = (36, 37, 38, 39, 42, 43, 44, 45), (40, 41, 46, 47)
    lips = (range(48, 55), range(55, 60), range(60, 65), range(65, 68))
    mirror = np.arange(68)
    for row in (jaw, brows, nostrils, eyes, lower_lids, *lips):
        mirror[list(row)] = row[::-1]
    return mirror


MIRROR = _mirror()


@dataclass(frozen=True)
class Landmarks:
    """points: (68, 2) float64, x and y in pixels of the frame, in iBUG's order. scores: (68,) float32."""

    points: Points
    scores: Maps

    @property
    def score(self) -> float:
        """The mean of the scores: about 1 where a face is plain to see, near 0 where there is none."""
        return float(self.scores.mean())


class FaceLandmarks:
    """Finds faces' landmarks, on the GPU where onnxruntime has it, else on the CPU.

    ``batch`` is how many frames it takes at once. A GPU is given them all in one call, if the file leaves its batch
    open. A CPU is given one picture a call, by each of its threads: on two cores that took a third to two thirds of
    the time of calls whose work both share, whether these were for one picture or for two.
    """

    def __init__(
        self, model: Path, threads: int, least_score: float = LEAST_SCORE, *, at_once: int | None = None
    ) -> None:
        """``model`` is dw-ll_ucoco_384.onnx; ``threads`` is how many the CPU may use.

        ``at_once``: pictures in a call, of which each frame makes two; by default what suits the device.
        Raises WeightsMissing, and WeightsDamaged for a file that is damaged or holds another network.
        """
        self._session = _session(model)
        self._least_score = least_score
        on_gpu = self.device == "cuda"
        wanted = at_once or (2 * GPU_BATCH if on_gpu else 1)
        self._at_once = wanted if _leaves_batch_open(self._session) else 1
        self._pool = ThreadPoolExecutor(1 if on_gpu else threads, thread_name_prefix="landmarks")
        self.batch = max(1, self._at_once // 2, 1 if on_gpu else threads)

    @property
    def device(self) -> str:
        """What the network runs on: "cuda" or "cpu"."""
        return "cuda" if CUDA in self._session.get_providers() else "cpu"

    def find(self, shown: Sequence[Shown]) -> list[Landmarks | None]:
        """Each frame's landmarks, or None where their mean score says that it shows no face."""
        pictures = [turned for each in shown for turned in (each.picture, each.picture[..., ::-1])]
        calls = self._pool.map(self._answers, batched(pictures, self._at_once))
        answers = [answer for call in calls for answer in call]
        both = zip(shown, answers[::2], answers[1::2], strict=True)
        return [self._sure(plain.mean(turned.mirrored()).landmarks(each.view)) for each, plain, turned in both]

    def _answers(self, pictures: Sequence[Maps]) -> list[SimCC]:
        # Always as many, so that a GPU's library never has to choose its ways anew.
        filled = [*pictures, *[pictures[-1]] * (self._at_once - len(pictures))]
        across, down = self._session.run(["simcc_x", "simcc_y"], {"input": np.concatenate(filled)})
        return [SimCC(across[index, FACE], down[index, FACE]) for index in range(len(pictures))]

    def _sure(self, landmarks: Landmarks) -> Landmarks | None:
        return landmarks if landmarks.score >= self._least_score else None


@dataclass(frozen=True)
class Shown:
    """A frame as the network is shown it. picture: normalised RGB, float32 (1, 3, 384, 288)."""

    view: View
    picture: Maps

    @classmethod
    def of(cls, picture: Bytes) -> Shown:
        """The whole of a BGR picture, uint8 (H, W, 3)."""
        view = View.of(picture.shape[1], picture.shape[0])
        return cls(view, view.input(picture))


@dataclass(frozen=True)
class View:
    """What part of a frame the network's picture shows: ``size`` pixels of the frame about ``centre``, (x, y) each.

    It has the network's shape, so it reaches beyond the frame above and below, or left and right.
    """

    centre: NDArray[np.float32]
    size: NDArray[np.float32]

    @classmethod
    def of(cls, width: int, height: int) -> View:
        """The view of a whole frame of that size."""
        across, down = np.float32(width * ROOM), np.float32(height * ROOM)
        shape = np.float32(WIDTH / HEIGHT)
        wide = across > down * shape
        size = np.array((across, across / shape) if wide else (down * shape, down), np.float32)
        return cls(np.array((width / 2, height / 2), np.float32), size)

    def input(self, picture: Bytes) -> Maps:
        """A BGR picture, uint8 (H, W, 3), as the network takes it: RGB less mean over deviation, (1, 3, 384, 288)."""
        zoom = WIDTH / float(self.size[0])
        shift = np.array((WIDTH, HEIGHT)) / 2 - zoom * self.centre
        seen = cv2.warpAffine(picture, np.array(((zoom, 0, shift[0]), (0, zoom, shift[1]))), (WIDTH, HEIGHT))
        normal = (cv2.cvtColor(seen, cv2.COLOR_BGR2RGB).astype(np.float32) - MEAN) / DEVIATION
        return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])

    def points(self, bins: NDArray[np.float32]) -> Points:
        """Where in the frame (K, 2) bins of the network's answer lie, in pixels."""
        return bins / BINS / (WIDTH, HEIGHT) * self.size + self.centre - self.size / 2


@dataclass(frozen=True)
class SimCC:
    """The network's answer for a face (Li et al. 2021, arXiv 2107.03332): how likely each point lies in each bin.

    across: (68, 576). down: (68, 768).
    """

    across: Maps
    down: Maps

    def mirrored(self) -> SimCC:
        """The answer to a mirrored picture, in terms of the picture itself."""
        return SimCC(self.across[MIRROR, ::-1], self.down[MIRROR])

    def mean(self, other: SimCC) -> SimCC:
        """The average of both answers."""
        half = np.float32(0.5)
        return SimCC(half * (self.across + other.across), half * (self.down + other.down))

    def landmarks(self, view: View) -> Landmarks:
        """Each point in its likeliest bins, scored by the less sure of the two; unlikely everywhere: in bin -1."""
        scores = np.minimum(self.across.max(1), self.down.max(1))
        bins = np.stack((self.across.argmax(1), self.down.argmax(1)), axis=1).astype(np.float32)
        bins[scores <= 0] = -1
        return Landmarks(view.points(bins), scores)


def _session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    wanted = [name for name in (CUDA, "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]
    if CUDA in wanted:
        onnxruntime.preload_dlls()
    if not model.is_file():
        raise WeightsMissing(f"{model.name} is missing. {_mend(model)}")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=wanted)
    except UNREADABLE as error:
        raise _damaged(model, "it can't be read") from error
    if not _is_dwpose(session):
        raise _damaged(model, "it holds another network than DWPose for 288 x 384 pixels")
    if CUDA in wanted and CUDA not in session.get_providers():
        log.warning("onnxruntime can't use the GPU: landmarks are found on the CPU, many times slower")
    return session


def _is_dwpose(session: onnxruntime.InferenceSession) -> bool:
    """By the names and sizes of what goes in and out; an export may leave a size open, by giving it a name."""
    nodes = {node.name: node.shape for node in (*session.get_inputs(), *session.get_outputs())}
    return nodes.keys() == SHAPES.keys() and all(
        len(nodes[name]) == len(shape)
        and all(size == wanted or not isinstance(size, int) for size, wanted in zip(nodes[name], shape, strict=True))
        for name, shape in SHAPES.items()
    )


def _leaves_batch_open(session: onnxruntime.InferenceSession) -> bool:
    return not any(isinstance(node.shape[0], int) for node in (*session.get_inputs(), *session.get_outputs()))


def _damaged(model: Path, why: str) -> WeightsDamaged:
    return WeightsDamaged(f"{model.name} is not the file it should be: {why}. {_mend(model)}")


def _mend(model: Path) -> str:
    return f"Run `python -m builder.fetch_models --verify --dir` with the folder of the weights to mend {model.name}."
