"""Masks: their region against brute force over pixels, their way to the frame against Pillow."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.lipsync.face_box import Bounds
from engine.lipsync.face_mask import (
    BlendMask,
    MaskRules,
    ParsingMode,
    blend_mask,
    parsed_square,
    parser_input,
    replaced,
)
from engine.video.i420 import Box, Bytes

FRAME = (320, 240)
FACES = {
    "inside": Bounds(101, 60, 190, 171),
    "wide": Bounds(90, 81, 231, 150),
    "beyond the right edge": Bounds(250, 70, 341, 160),
    "beyond the left edge": Bounds(-33, 70, 60, 160),
    "at the lower edge": Bounds(120, 121, 211, 240),
    "at the upper edge": Bounds(121, 0, 200, 101),
    "larger than the frame": Bounds(-20, 0, 345, 240),
    "tiny": Bounds(50, 50, 58, 61),
}
faces = pytest.mark.parametrize("face", FACES.values(), ids=FACES.keys())

Pixels = set[tuple[int, int]]
"""(row, column)."""


def portrait() -> Bytes:
    """Classes of a face: skin with a nose, a mouth with lips, eyes, neck and hair about it."""
    y, x = np.mgrid[:512, :512]

    def oval(middle_x: int, middle_y: int, width: int, height: int) -> NDArray[np.bool_]:
        return np.asarray(((x - middle_x) / width) ** 2 + ((y - middle_y) / height) ** 2 < 1)

    classes = np.zeros((512, 512), np.uint8)
    classes[300:500, 180:330] = 14
    for number, shape in (
        (17, oval(256, 190, 160, 150)),
        (1, oval(256, 256, 125, 165)),
        (4, oval(205, 225, 22, 10)),
        (5, oval(307, 225, 22, 10)),
        (10, oval(256, 265, 25, 45)),
        (12, oval(256, 335, 45, 14)),
        (13, oval(256, 345, 45, 14)),
        (11, oval(256, 340, 35, 6)),
    ):
        classes[shape] = number
    return classes


def speckled(seed: int, rows: int) -> Bytes:
    """Blocks of random classes, mostly skin, and single pixels of skin and nose."""
    generator = np.random.default_rng(seed)
    drawn = generator.choice([0, 1, 1, 1, 10, 11, 12, 13, 14, 17], (rows // 6 + 1, 512 // 6 + 1))
    classes = np.kron(drawn, np.ones((6, 6), int))[:rows, :512].astype(np.uint8)
    classes[: rows // 2, generator.integers(0, 512, 180)] = 0
    classes[generator.integers(0, rows, 40), generator.integers(0, 512, 40)] = 10
    return classes


def pixels(classes: Bytes, *wanted: int) -> Pixels:
    return {(int(row), int(column)) for row, column in np.argwhere(np.isin(classes, wanted))}


def jaw_by_hand(classes: Bytes, left: int, right: int) -> Pixels:
    """The rule of the jaw mode, pixel by pixel."""
    rows, columns = classes.shape
    grown: Pixels = set()
    for row, column in pixels(classes, 1):
        for up in range(-6, 17):
            reach = min(up + 6, 10)
            grown |= {(row - up, column + aside) for aside in range(-reach, reach + 1)}
    grown = {(row, column) for row, column in grown if 0 <= row < rows and 0 <= column < columns}
    trimmed = grown
    for _ in range(2):
        trimmed = {pixel for pixel in trimmed if kept(pixel, trimmed, rows, columns)}
    cheeks = {*range(256 - left + 1), *range(256 + right, 512)}
    chosen = {pixel for pixel in grown if pixel[1] not in cheeks} | {pixel for pixel in trimmed if pixel[1] in cheeks}
    return (chosen - pixels(classes, 10)) | pixels(classes, 11, 12, 13)


def kept(pixel: tuple[int, int], region: Pixels, rows: int, columns: int) -> bool:
    """Whether all of 17 pixels to either side, and the ones above and below, are in the region or off the map."""
    row, column = pixel
    around = [(row, column + aside) for aside in range(-17, 18)] + [(row - 1, column), (row + 1, column)]
    return all(near in region or not (0 <= near[0] < rows and 0 <= near[1] < columns) for near in around)


def by_pillow(classes: Bytes, face: Bounds, rules: MaskRules) -> Bytes:
    """The mask of the whole frame, by the reference's steps in Pillow."""
    longer = max(face.right - face.left, face.bottom - face.top)
    half = int(longer // 2 * 1.5)
    left, top = (face.left + face.right) // 2 - half, (face.top + face.bottom) // 2 - half
    region = Image.fromarray(replaced(classes, rules)).resize((2 * half, 2 * half))
    place = (face.left - left, face.top - top, face.right - left, face.bottom - top)
    inside = Image.new("L", region.size, 0)
    inside.paste(region.crop(place), place)
    lower = Image.new("L", region.size, 0)
    middle = int(region.size[1] * 0.5)
    lower.paste(inside.crop((0, middle, *region.size)), (0, middle))
    kernel = int(0.1 * region.size[0] // 2 * 2) + 1
    blurred = cv2.GaussianBlur(np.array(lower), (kernel, kernel), 0)
    frame = Image.new("L", FRAME, 0)
    frame.paste(Image.fromarray(np.asarray(blurred, np.uint8)), (left, top))
    return np.asarray(frame)


def in_frame(mask: BlendMask | None) -> Bytes:
    frame = np.zeros(FRAME[::-1], np.uint8)
    if mask:
        frame[mask.box.top : mask.box.bottom, mask.box.left : mask.box.right] = mask.mask
    return frame


class TestRegion:
    @pytest.mark.parametrize(("left", "right"), [(90, 90), (40, 120), (0, 0), (256, 256)])
    @pytest.mark.parametrize("seed", [1, 2])
    def test_jaw_is_what_the_rule_says_of_every_pixel(self, left: int, right: int, seed: int) -> None:
        classes = speckled(seed, 60)
        shown = replaced(classes, MaskRules("jaw", left, right))
        assert pixels(shown, 255) == jaw_by_hand(classes, left, right)
        assert set(np.unique(shown)) == {0, 255}

    def test_jaw_is_what_the_rule_says_of_a_face(self) -> None:
        rows = slice(380, 470)
        classes = portrait()
        classes[: rows.start], classes[rows.stop :] = 0, 0
        assert pixels(replaced(classes, MaskRules()), 255) == jaw_by_hand(classes, 90, 90)

    def test_one_pixel_of_skin_in_the_middle_grows_upwards_and_a_little_down(self) -> None:
        classes = np.zeros((100, 512), np.uint8)
        classes[50, 256] = 1
        shown = replaced(classes, MaskRules())
        widths = {row: int((shown[row] > 0).sum()) for row in range(100) if shown[row].any()}
        assert widths == {
            **dict.fromkeys(range(34, 47), 21),
            47: 19,
            48: 17,
            49: 15,
            50: 13,
            51: 11,
            52: 9,
            53: 7,
            54: 5,
            55: 3,
            56: 1,
        }

    def test_one_pixel_of_skin_on_a_cheek_is_trimmed_away(self) -> None:
        classes = np.zeros((100, 512), np.uint8)
        classes[50, [80, 430]] = 1
        assert not replaced(classes, MaskRules()).any()
        assert replaced(classes, MaskRules(left_cheek_width=200, right_cheek_width=200)).any()

    @pytest.mark.parametrize(("width", "trimmed"), [(90, (166, 346)), (30, (226, 286))])
    def test_cheeks_begin_where_their_width_says(self, width: int, trimmed: tuple[int, int]) -> None:
        """A band of skin too low for the trim stays between the cheeks alone."""
        classes = np.zeros((60, 512), np.uint8)
        classes[30] = 1
        holes = np.arange(0, 512, 30)
        classes[:, holes] = 0
        grown = replaced(classes, MaskRules(left_cheek_width=256, right_cheek_width=256))
        shown = replaced(classes, MaskRules(left_cheek_width=width, right_cheek_width=width))
        changed = np.flatnonzero((grown != shown).any(0))
        inner = changed[(changed > 100) & (changed < 400)]
        assert inner[inner < 256].max() == trimmed[0]
        assert inner[inner > 256].min() == trimmed[1]

    @pytest.mark.parametrize(("mode", "classes"), [("raw", {1, 11, 12, 13}), ("neck", {1, 11, 12, 13, 14})])
    def test_raw_and_neck_are_sets_of_classes(self, mode: ParsingMode, classes: set[int]) -> None:
        every = np.arange(19, dtype=np.uint8)[None].repeat(3, 0)
        shown = replaced(every, MaskRules(mode))
        assert {number for number in range(19) if shown[1, number] == 255} == classes
        assert shown.dtype == np.uint8
        assert int(shown.astype(int).sum()) == 255 * 3 * len(classes)


class TestSquare:
    def test_it_is_half_as_large_again_as_the_longer_side(self) -> None:
        assert parsed_square(Bounds(100, 50, 200, 190)) == Bounds(45, 15, 255, 225)

    def test_halves_are_rounded_as_the_reference_does(self) -> None:
        # 111 // 2 = 55, and 82.5 is cut to 82; the middle of 101 and 190 is cut to 145.
        assert parsed_square(FACES["inside"]) == Bounds(145 - 82, 115 - 82, 145 + 82, 115 + 82)
        assert parsed_square(FACES["beyond the left edge"]).left == 13 - 69

    @faces
    def test_the_parser_sees_what_pillow_and_torchvision_make_of_it(self, face: Bounds) -> None:
        frame = np.random.default_rng(7).integers(0, 256, (FRAME[1], FRAME[0], 3), np.uint8)
        square = parsed_square(face)
        crop = Image.fromarray(frame[:, :, ::-1].copy()).crop((square.left, square.top, square.right, square.bottom))
        pixels = np.asarray(crop.resize((512, 512), Image.Resampling.BILINEAR)).astype(np.float32) / np.float32(255)
        mean, deviation = (np.array(of, np.float32) for of in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        shown = parser_input(frame, face)
        assert shown.dtype == np.float32
        assert shown.shape == (3, 512, 512)
        assert np.array_equal(shown, ((pixels - mean) / deviation).transpose(2, 0, 1))

    def test_red_comes_first(self) -> None:
        frame = np.zeros((240, 320, 3), np.uint8)
        frame[:, :, 2] = 255
        shown = parser_input(frame, FACES["inside"])
        assert shown[:, 256, 256].tolist() == pytest.approx(
            [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-6
        )


class TestMask:
    @faces
    @pytest.mark.parametrize("mode", get_args(ParsingMode))
    def test_every_byte_of_the_frame_is_the_references(self, face: Bounds, mode: ParsingMode) -> None:
        rules = MaskRules(mode)
        mask = blend_mask(portrait(), face, FRAME, rules)
        assert mask
        assert np.array_equal(in_frame(mask), by_pillow(portrait(), face, rules))

    @faces
    def test_its_box_is_even_within_the_frame_and_no_larger_than_it_must_be(self, face: Bounds) -> None:
        mask = blend_mask(portrait(), face, FRAME, MaskRules())
        assert mask
        box = mask.box
        assert mask.mask.dtype == np.uint8
        assert mask.mask.shape == (box.height, box.width)
        assert not any(edge % 2 for edge in (box.left, box.top, box.right, box.bottom))
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= FRAME[0]
        assert box.bottom <= FRAME[1]
        for edge in (mask.mask[:2], mask.mask[-2:], mask.mask[:, :2], mask.mask[:, -2:]):
            assert edge.any()

    def test_it_lies_in_the_lower_half_but_for_the_blur(self) -> None:
        face = FACES["inside"]
        mask = in_frame(blend_mask(portrait(), face, FRAME, MaskRules()))
        middle, reach = parsed_square(face).top + 82, 8
        assert not mask[: middle - reach].any()
        assert mask[middle - 1].any()
        assert mask[middle + 30, 145] == 255

    def test_it_stays_inside_the_face_but_for_the_blur(self) -> None:
        everywhere = np.ones((512, 512), np.uint8)
        face = FACES["inside"]
        mask = blend_mask(everywhere, face, FRAME, MaskRules("raw"))
        assert mask
        # The blur reaches 8 pixels; the box is widened to even edges.
        assert mask.box == Box(92, 106, 198, 180)
        assert mask.mask.max() == 255

    @pytest.mark.parametrize("number", [0, 17])
    def test_no_face_is_no_mask(self, number: int) -> None:
        nothing = np.full((512, 512), number, np.uint8)
        assert blend_mask(nothing, FACES["inside"], FRAME, MaskRules()) is None

    def test_a_face_shown_in_the_upper_half_alone_is_no_mask(self) -> None:
        classes = portrait()
        classes[230:] = 0
        assert blend_mask(classes, FACES["inside"], FRAME, MaskRules()) is None

    def test_a_face_whose_lower_half_is_out_of_the_frame_is_no_mask(self) -> None:
        face = Bounds(-150, 60, 20, 200)
        classes = np.zeros((512, 512), np.uint8)
        classes[300:400, 120:200] = 1
        assert blend_mask(classes, face, FRAME, MaskRules()) is None
