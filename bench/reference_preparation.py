"""An avatar prepared as MuseTalk's real-time script does it (commit 0a89dec), written anew from a description.

Every frame becomes a PNG file and is read back. Then, one frame after another: DWPose on the frame and on its mirror
image, S3FD on the frame at its full size, the face cut out. The cycle of the frames forwards and backwards follows:
each of its entries gets another PNG file of the frame, and a mask by way of Pillow and the parser, as a PNG file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.face_detector import FaceDetector
from engine.lipsync.face_box import Bounds, BoxRules, Points, face_bounds
from engine.lipsync.face_mask import BLUR, DEVIATION, MEAN, SIDE, MaskRules, parsed_square, replaced
from engine.lipsync.landmarks import FACE, SimCC, View
from engine.nets.bisenet import BiSeNet
from engine.video.i420 import Bytes

T = TypeVar("T")

CROP = 256
HALF = np.float32(0.5)


class PoseSession(Protocol):
    """What of onnxruntime's InferenceSession is used."""

    def run(self, names: Sequence[str], feeds: dict[str, NDArray[np.float32]]) -> list[Any]: ...


@dataclass(frozen=True)
class ReferenceModels:
    """All networks but the autoencoder."""

    pose: PoseSession
    detector: FaceDetector
    parser: BiSeNet


@dataclass(frozen=True)
class ReferenceSpent:
    """Seconds by stage. crops: (N, 2, 3, 256, 256) float32, what the autoencoder is given of each frame."""

    frames: float
    landmarks: float
    detection: float
    crops_made: float
    masks: float
    crops: NDArray[np.float32]


def prepare_as_reference(video: Path, folder: Path, models: ReferenceModels) -> ReferenceSpent:
    """Leave frames/, full_imgs/ and mask/ in ``folder``. Raises ValueError where the pose shows no face."""
    pictures, reading = _timed(lambda: _through_png(video, folder / "frames"))
    points, pose = _timed(lambda: [_points(models.pose, picture) for picture in pictures])
    _, detection = _timed(lambda: [models.detector.faces(picture) for picture in pictures])
    faces = [_face(found, picture) for found, picture in zip(points, pictures, strict=True)]
    crops, cutting = _timed(lambda: [_crops(picture, face) for picture, face in zip(pictures, faces, strict=True)])
    _, masking = _timed(lambda: _masks(pictures, faces, folder, models.parser))
    return ReferenceSpent(reading, pose, detection, cutting, masking, np.stack(crops))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    made = work()
    return made, time.perf_counter() - began


def _through_png(video: Path, folder: Path) -> list[Bytes]:
    """All frames in memory, as BGR."""
    folder.mkdir(parents=True)
    capture = cv2.VideoCapture(str(video))
    count = 0
    while (read := capture.read())[0]:
        cv2.imwrite(str(folder / f"{count:08d}.png"), read[1])
        count += 1
    capture.release()
    return [np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(folder.iterdir())]


def _points(pose: PoseSession, picture: Bytes) -> Points:
    view = View.of(picture.shape[1], picture.shape[0])
    shown = view.input(picture)
    plain, turned = _pose(pose, shown), _pose(pose, np.ascontiguousarray(shown[..., ::-1]))
    return plain.mean(turned.mirrored()).landmarks(view).points


def _pose(pose: PoseSession, shown: NDArray[np.float32]) -> SimCC:
    across, down = pose.run(["simcc_x", "simcc_y"], {"input": shown})
    return SimCC(across[0, FACE], down[0, FACE])


def _face(points: Points, picture: Bytes) -> Bounds:
    face = face_bounds(points, BoxRules(picture.shape[1], picture.shape[0]))
    if face is None:
        raise ValueError("the pose spans no box")
    return face


def _crops(picture: Bytes, face: Bounds) -> NDArray[np.float32]:
    """The face without its lower half, and whole: (2, 3, 256, 256) in [-1, 1]."""
    crop = cv2.resize(
        picture[face.top : face.bottom, face.left : face.right], (CROP, CROP), interpolation=cv2.INTER_LANCZOS4
    )
    whole = (cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) / 255.0).astype(np.float32).transpose(2, 0, 1)
    upper = whole.copy()
    upper[:, CROP // 2 :] = 0
    return (np.stack((upper, whole)) - HALF) / HALF


def _masks(pictures: Sequence[Bytes], faces: Sequence[Bounds], folder: Path, parser: BiSeNet) -> None:
    for name in ("full_imgs", "mask"):
        (folder / name).mkdir(parents=True)
    cycle = [*zip(pictures, faces, strict=True), *reversed(list(zip(pictures, faces, strict=True)))]
    for number, (picture, face) in enumerate(cycle):
        cv2.imwrite(str(folder / "full_imgs" / f"{number:08d}.png"), picture)
        cv2.imwrite(str(folder / "mask" / f"{number:08d}.png"), reference_mask(picture, face, parser))


def reference_mask(picture: Bytes, face: Bounds, parser: BiSeNet) -> Bytes:
    """The mask of the square about the face: uint8, as large as the square."""
    square = parsed_square(face)
    body = Image.fromarray(picture[:, :, ::-1])
    large = body.crop((square.left, square.top, square.right, square.bottom))
    region = Image.fromarray(replaced(_classes(large, parser), MaskRules())).resize(large.size)
    inside = (face.left - square.left, face.top - square.top, face.right - square.left, face.bottom - square.top)
    mask = Image.new("L", large.size, 0)
    mask.paste(region.crop(inside), inside)
    lower = np.array(mask)
    lower[: square.height // 2] = 0
    width = int(BLUR * square.width // 2 * 2) + 1
    return np.asarray(cv2.GaussianBlur(lower, (width, width), 0), np.uint8)


def _classes(picture: Image.Image, parser: BiSeNet) -> Bytes:
    levels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / np.float32(255)
    normal = ((levels - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
    device = next(parser.parameters()).device
    with torch.inference_mode():
        scores: torch.Tensor = parser(torch.from_numpy(np.ascontiguousarray(normal)).to(device))
        return np.asarray(scores[0].cpu().numpy().argmax(0), np.uint8)
