"""Landmarks through onnxruntime, from models whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import WeightsDamaged, WeightsMissing
from engine.lipsync.landmarks import LEAST_SCORE, FaceLandmarks, Landmarks, Shown, View
from engine.video.i420 import Bytes
from tests.lipsync.pose_models import KEYPOINTS, brightest_model, table_model

Tables = NDArray[np.float32]
IMAGES = (
    *range(39, 22, -1),  # jaw
    *range(49, 39, -1),  # brows
    *(50, 51, 52, 53),  # bridge of the nose
    *(58, 57, 56, 55, 54),  # nostrils
    *(68, 67, 66, 65, 70, 69, 62, 61, 60, 59, 64, 63),  # eyes
    *(77, 76, 75, 74, 73, 72, 71, 82, 81, 80, 79, 78),  # outer lips
    *(87, 86, 85, 84, 83, 90, 89, 88),  # inner lips
)
PAIRS = dict(zip(range(23, 91), IMAGES, strict=True))
"""COCO-WholeBody's face points and their mirror images, as its dataset's description lists them."""
BLACK = np.zeros((768, 576, 3), np.uint8)
FULL_HD = np.zeros((1080, 1920, 3), np.uint8)


def found(landmarks: FaceLandmarks, picture: Bytes) -> Landmarks | None:
    """What is found in one picture alone."""
    return landmarks.find([Shown.of(picture)])[0]


def place_of(point: int) -> tuple[int, int]:
    """The bins of a point of the face, across and down, in ``symmetric``."""
    left = min(point, PAIRS[point])
    return (3 * left if point == left else 575 - 3 * left), 400 + left


def symmetric(score: float = 1.0) -> tuple[Tables, Tables]:
    """An answer that its mirror image confirms; points that are their own image have two likeliest places."""
    across, down = np.zeros((KEYPOINTS, 576), np.float32), np.zeros((KEYPOINTS, 768), np.float32)
    for point, image in PAIRS.items():
        column, row = place_of(point)
        across[point, column] = down[point, row] = score
        if image == point:
            across[point, 575 - column] = score
    return across, down


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., FaceLandmarks]:
    def make(across: Tables, down: Tables, least_score: float = LEAST_SCORE) -> FaceLandmarks:
        return FaceLandmarks(table_model(tmp_path / "dwpose.onnx", across, down), 1, least_score)

    return make


class TestGeometry:
    """Bins are half pixels of a 288 x 384 picture that shows the frame's middle and at least 1.25 times its sides."""

    @pytest.mark.parametrize(
        ("width", "height", "step", "left", "top"),
        [
            (576, 768, 1.25, -72, -96),
            (704, 1216, 1520 / 768, 704 / 2 - 1140 / 2, -152),
            (1080, 1920, 3.125, 540 - 900, -240),
            (1920, 1080, 2400 / 576, -240, 540 - 1600),
        ],
    )
    def test_bins_lie_where_they_should(self, width: int, height: int, step: float, left: float, top: float) -> None:
        bins = np.array([[0, 0], [100, 60], [575, 767]], np.float32)
        expected = [[left + step * x, top + step * y] for x, y in bins.tolist()]
        assert View.of(width, height).points(bins) == pytest.approx(np.array(expected), abs=1e-3)

    def test_the_frame_is_shown_in_the_middle_and_black_lies_about_it(self) -> None:
        picture = np.full((1080, 1920, 3), (30, 120, 200), np.uint8)
        shown = View.of(1920, 1080).input(picture)
        black = [-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375]
        colour = [(200 - 123.675) / 58.395, (120 - 116.28) / 57.12, (30 - 103.53) / 57.375]
        assert shown.shape == (1, 3, 384, 288)
        assert shown.dtype == np.float32
        # 0.12 pixels for each of the frame's: it covers columns 28.8 to 259.2 and rows 127.2 to 256.8.
        assert shown[0, :, 192, 30:258] == pytest.approx(np.array([colour] * 228).T, abs=1e-5)
        assert shown[0, :, 129:256, 144] == pytest.approx(np.array([colour] * 127).T, abs=1e-5)
        for row, column in ((192, 27), (192, 261), (126, 144), (258, 144), (0, 0), (383, 287)):
            assert shown[0, :, row, column].tolist() == pytest.approx(black, abs=1e-5)

    @pytest.mark.parametrize(("width", "height"), [(576, 768), (640, 360), (1280, 720), (500, 500), (360, 640)])
    def test_what_is_seen_is_found_where_it_is(self, tmp_path: Path, width: int, height: int) -> None:
        """Red, green and blue spots, each looked for by some of the points, on the jaw, at the brows and elsewhere."""
        spots = {0: (0.31, 0.22), 1: (0.52, 0.61), 2: (0.87, 0.45)}
        channels = np.array([0 if point < 40 else 1 if point < 50 else 2 for point in range(KEYPOINTS)])
        picture = self._picture(width, height, spots)
        seen = found(FaceLandmarks(brightest_model(tmp_path / "dwpose.onnx", channels), threads=1), picture)
        assert seen
        pixel = max(width / 0.75, height) * 1.25 / 384
        for point in range(68):
            x, y = spots[int(channels[23 + point])]
            assert abs(seen.points[point, 0] - round(x * width)) <= 0.55 * pixel
            assert abs(seen.points[point, 1] - round(y * height)) <= 0.55 * pixel

    @staticmethod
    def _picture(width: int, height: int, spots: dict[int, tuple[float, float]]) -> Bytes:
        y, x = np.mgrid[:height, :width]
        picture = np.zeros((height, width, 3), np.uint8)
        for channel, (across, down) in spots.items():
            far = np.hypot(x - round(across * width), y - round(down * height))
            picture[:, :, 2 - channel] = np.clip(255 - 3 * far * 576 / width, 0, 255)
        return picture


class TestAnswers:
    def test_points_are_read_off_the_likeliest_bins(self, made: Callable[..., FaceLandmarks]) -> None:
        seen = found(made(*symmetric()), FULL_HD)
        assert seen
        assert seen.points.shape == (68, 2)
        assert seen.points.dtype == np.float64
        for point in range(68):
            column, row = place_of(23 + point)
            expected = column * 2400 / 576 - 240, row * 3200 / 768 - 1060
            assert seen.points[point] == pytest.approx(expected, abs=1e-3)
            assert seen.scores[point] == 1

    def test_the_mirror_image_is_averaged_in(self, made: Callable[..., FaceLandmarks]) -> None:
        generator = np.random.default_rng(3)
        across = generator.random((KEYPOINTS, 576), np.float32)
        down = generator.random((KEYPOINTS, 768), np.float32)
        seen = found(made(across, down), BLACK)
        assert seen
        for point, image in PAIRS.items():
            columns = [(float(across[point, place]) + float(across[image, 575 - place])) / 2 for place in range(576)]
            rows = [(float(down[point, place]) + float(down[image, place])) / 2 for place in range(768)]
            expected = columns.index(max(columns)) * 1.25 - 72, rows.index(max(rows)) * 1.25 - 96
            assert seen.points[point - 23] == pytest.approx(expected, abs=1e-3)
            assert seen.scores[point - 23] == pytest.approx(min(max(columns), max(rows)), rel=1e-6)
        assert seen.score == pytest.approx(float(np.mean(seen.scores)))

    def test_a_score_is_that_of_the_less_sure_direction(self, made: Callable[..., FaceLandmarks]) -> None:
        across, down = symmetric()
        down[23 + 5] *= 0.25
        down[PAIRS[23 + 5]] *= 0.25
        across[23 + 8] = 0
        across[23 + 8, [100, 475]] = 0.6
        seen = found(made(across, down), BLACK)
        assert seen
        assert seen.scores[[4, 5, 11, 8]].tolist() == pytest.approx([1, 0.25, 0.25, 0.6])

    def test_a_point_that_is_likely_nowhere_lies_at_bin_minus_one(self, made: Callable[..., FaceLandmarks]) -> None:
        across, down = symmetric()
        across[23 + 8] = -0.5
        seen = found(made(across, down), BLACK)
        assert seen
        assert seen.points[8] == pytest.approx([-1.25 - 72, -1.25 - 96], abs=1e-3)
        assert seen.scores[8] == pytest.approx(-0.5)

    def test_a_face_that_is_not_sure_enough_is_none(self, made: Callable[..., FaceLandmarks]) -> None:
        assert found(made(*symmetric(0.29)), BLACK) is None
        assert found(made(*symmetric(0.31)), BLACK) is not None
        assert found(made(*symmetric(0.29), least_score=0.2), BLACK) is not None
        assert found(made(*symmetric(0.7), least_score=0.8), BLACK) is None

    def test_only_the_face_counts(self, made: Callable[..., FaceLandmarks]) -> None:
        across, down = symmetric(0.1)
        body = [point for point in range(KEYPOINTS) if point not in PAIRS]
        across[body, 3], down[body, 3] = 5, 5
        assert found(made(across, down), BLACK) is None


class TestBatches:
    """Five frames, each with a spot elsewhere."""

    @pytest.fixture
    def pictures(self) -> list[Shown]:
        pictures = [np.zeros((384, 288, 3), np.uint8) for _ in range(5)]
        for index, picture in enumerate(pictures):
            picture[40 + 30 * index :, 50 + 40 * index :][:5, :5] = 250
        return [Shown.of(picture) for picture in pictures]

    def places(self, found: Sequence[Landmarks | None]) -> list[list[float]]:
        return [each.points[0].tolist() for each in found if each]

    @pytest.mark.parametrize("at_once", [1, 2, 3, 4, 16])
    def test_frames_are_found_alike_however_many_go_in_a_call(
        self, tmp_path: Path, pictures: list[Shown], at_once: int
    ) -> None:
        model = brightest_model(tmp_path / "dwpose.onnx", np.zeros(KEYPOINTS, np.int64), batch="batch")
        finder = FaceLandmarks(model, threads=2, at_once=at_once)
        alone = [found for each in pictures for found in finder.find([each])]
        assert self.places(finder.find(pictures)) == self.places(alone)
        assert len({tuple(place) for place in self.places(alone)}) == 5

    def test_a_model_for_one_picture_is_asked_for_one_at_a_time(self, tmp_path: Path, pictures: list[Shown]) -> None:
        model = brightest_model(tmp_path / "dwpose.onnx", np.zeros(KEYPOINTS, np.int64))
        found = FaceLandmarks(model, threads=1, at_once=16).find(pictures)
        assert len(self.places(found)) == 5

    def test_every_thread_gets_a_frame(self, tmp_path: Path) -> None:
        assert FaceLandmarks(table_model(tmp_path / "dwpose.onnx", *symmetric()), threads=3).batch == 3

    def test_a_call_for_many_pictures_sets_the_batch(self, tmp_path: Path) -> None:
        model = table_model(tmp_path / "dwpose.onnx", *symmetric(), batch="batch")
        assert FaceLandmarks(model, threads=1, at_once=16).batch == 8


class TestModelFile:
    def test_a_model_may_leave_the_batch_open(self, tmp_path: Path) -> None:
        model = table_model(tmp_path / "dwpose.onnx", *symmetric(), batch="batch")
        assert found(FaceLandmarks(model, threads=2), BLACK)

    def test_it_says_what_it_runs_on(self, made: Callable[..., FaceLandmarks]) -> None:
        assert made(*symmetric()).device in ("cpu", "cuda")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsMissing, match=r"^dw-ll_ucoco_384\.onnx is missing\. Run .*builder\.fetch_models"):
            FaceLandmarks(tmp_path / "dw-ll_ucoco_384.onnx", threads=1)

    @pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\n"])
    def test_something_else(self, tmp_path: Path, content: bytes) -> None:
        model = tmp_path / "dw-ll_ucoco_384.onnx"
        model.write_bytes(content)
        self._refused(model)

    @pytest.mark.parametrize("share", [0.2, 0.9])
    def test_a_cut_file(self, tmp_path: Path, share: float) -> None:
        model = table_model(tmp_path / "dw-ll_ucoco_384.onnx", *symmetric())
        whole = model.read_bytes()
        model.write_bytes(whole[: int(len(whole) * share)])
        self._refused(model)

    def test_a_network_of_another_size(self, tmp_path: Path) -> None:
        self._refused(table_model(tmp_path / "dw-ll_ucoco_384.onnx", *symmetric(), height=256))

    @staticmethod
    def _refused(model: Path) -> None:
        with pytest.raises(
            WeightsDamaged, match=r"^dw-ll_ucoco_384\.onnx is not the file it should be: .*builder\.fetch_models"
        ) as caught:
            FaceLandmarks(model, threads=1)
        assert str(model.parent) not in caught.value.message
