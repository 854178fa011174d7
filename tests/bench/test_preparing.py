"""Both ways of preparing an avatar at a small size: what they measure, and that they make the same of a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bench import seeded_pose
from bench.face_detector import FaceDetector
from bench.preparing import Report, Round, Spent, measure
from bench.reference_preparation import ReferenceSpent, prepare_as_reference, reference_mask
from bench.seeded_preparation import QUICK, SeededPreparation, told_face
from engine.cancel import CancelToken
from engine.lipsync.face_box import Bounds, BoxRules, face_bounds
from engine.lipsync.face_mask import MaskRules, blend_mask
from engine.lipsync.landmarks import FaceLandmarks, Shown
from engine.lipsync.musetalk_track import FACE_BOX
from engine.lipsync.options import PreparationOptions
from engine.video.i420 import Box
from tests.lipsync.portraits import Frames
from tests.lipsync.tiny_musetalk import textured

WIDTH, HEIGHT = QUICK.width, QUICK.height
FACE = face_bounds(told_face(WIDTH, HEIGHT), BoxRules(WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SeededPreparation:
    return SeededPreparation.make(QUICK, torch.device("cpu"), tmp_path_factory.mktemp("bench"))


def test_a_quick_run_fills_the_table() -> None:
    table = measure(QUICK).table()
    assert [row[0] for row in table.rows][:2] == ["all but the encodes", "the same without S3FD"]
    assert table.rows[-1][0] == "the encodes"
    assert all(float(row[2]) >= 0 for row in table.rows)


def round_of(ours: float, reference: float) -> Round:
    stages = ReferenceSpent(1, 2, 3, 0.5, 4, np.zeros(0, np.float32))
    return Round(Spent(ours, 2 * ours), Spent(reference, reference), stages, 1.5, 3)


@pytest.mark.parametrize(("reference", "reached"), [(8.9, "missed"), (9.1, "met")])
def test_the_ratios_are_those_of_the_rounds(reference: float, reached: str) -> None:
    table = Report(QUICK, "cpu", (round_of(3, reference), round_of(1, 1), round_of(1, 20))).table()
    assert table.rows[0] == ("all but the encodes", "333", f"{1000 * reference / 3:.0f}", f"{reference / 3:.2f}")
    assert table.rows[1][2] == f"{1000 * (reference - 3) / 3:.0f}"
    assert table.rows[-1] == ("the encodes", "500", "1000", "2.00")
    assert table.notes[-1].endswith(f"{reached}.")


def test_the_reference_leaves_its_files_and_crops(made: SeededPreparation, tmp_path: Path) -> None:
    spent = prepare_as_reference(made.video, tmp_path, made.reference)
    count = {folder.name: len(list(folder.iterdir())) for folder in tmp_path.iterdir()}
    assert count == {"frames": 3, "full_imgs": 6, "mask": 6}
    assert spent.crops.shape == (3, 2, 3, 256, 256)
    assert (spent.crops[:, 0, :, 128:] == -1).all()
    assert (spent.crops[:, 0, :, :128] == spent.crops[:, 1, :, :128]).all()


def test_both_ways_find_the_face_that_was_told(made: SeededPreparation) -> None:
    frames = Frames([textured(1, WIDTH, HEIGHT)])
    track = made.preparer.prepare(frames, PreparationOptions(), lambda share: None, CancelToken())
    assert FACE is not None
    found = track.data[FACE_BOX][0]
    assert np.abs(found - (FACE.left, FACE.top, FACE.right, FACE.bottom)).max() <= 2
    assert track.mask(0).any()


def test_the_reference_mask_is_the_one_that_ours_is_part_of(made: SeededPreparation) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    face = Bounds(90, 60, 160, 140)
    wide = reference_mask(picture, face, made.reference.parser)
    ours = blend_mask(np.ones((512, 512), np.uint8), face, (WIDTH, HEIGHT), MaskRules())
    assert ours is not None
    # 105 pixels square and more about (125, 100).
    left, top = 125 - len(wide) // 2, 100 - len(wide) // 2
    box = Box(ours.box.left - left, ours.box.top - top, ours.box.right - left, ours.box.bottom - top)
    assert (wide[box.top : box.bottom, box.left : box.right] == ours.mask).all()


def test_the_detector_has_the_official_layers() -> None:
    narrow = FaceDetector.seeded(torch.device("cpu"), 16)
    assert len(narrow.weights) == 65
    assert narrow.weights["conv3_3_norm_mbox_conf.weight"].shape == (4, 16, 3, 3)
    assert narrow.weights["fc6.weight"].shape == (64, 32, 3, 3)
    assert narrow.faces(np.zeros((96, 128, 3), np.uint8)) == 0


def test_the_pose_finds_what_it_was_told_in_frames_alone_and_together(tmp_path: Path) -> None:
    points = np.column_stack([np.linspace(60, 200, 68), np.linspace(40, 150, 68)])
    model = tmp_path / "pose.onnx"
    seeded_pose.write_pose(model, seeded_pose.QUICK, seeded_pose.Answers.of(points, WIDTH, HEIGHT), seed=1)
    onnx.checker.check_model(onnx.load(model))
    shown = [Shown.of(np.full((HEIGHT, WIDTH, 3), level, np.uint8)) for level in (10, 90, 200)]
    for at_once in (1, 4):
        for found in FaceLandmarks(model, threads=1, at_once=at_once).find(shown):
            assert found is not None
            # A mirrored answer is told too: of a point and its image, either may be found.
            assert np.abs(found.points[8] - points[8]).max() <= 2
