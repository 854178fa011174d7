"""What is prepared for MuseTalk: boxes from told landmarks, latents and masks from tiny networks."""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.cancel import Cancelled, CancelToken
from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError, NoFace
from engine.lipsync.face_box import Bounds, Points
from engine.lipsync.face_marks import LandmarkFinder
from engine.lipsync.face_mask import MaskRules, blend_mask, parser_input
from engine.lipsync.landmarks import Landmarks, Shown
from engine.lipsync.musetalk_look import MuseTalkEyes
from engine.lipsync.musetalk_prepare import MuseTalkPreparer
from engine.lipsync.musetalk_track import FACE_BOX, LATENTS
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import Face, FacePlace, FaceTrack, FrameSource
from engine.nets.networks import Networks
from engine.video.bgr import bgr_of
from engine.video.i420 import I420, Bytes
from engine.video.intra import FrameDamaged
from tests.lipsync.portraits import Frames
from tests.lipsync.tiny_musetalk import HEIGHT, WIDTH, ToldFinder, points, textured, tiny_networks

OPTIONS = PreparationOptions()
FACE = Bounds(64, 40, 128, 130)
"""The box of ``points()`` with the margin of 10."""


def preparer(told: Sequence[Points | None] = (points(),), networks: Networks | None = None) -> MuseTalkPreparer:
    """Without smoothing, so that every box is its own frame's."""
    return MuseTalkPreparer(
        MuseTalkEyes(networks or tiny_networks(), ModelThread()), ToldFinder(told), "r", smooth=False
    )


def prepared(
    frames: Sequence[I420], told: Sequence[Points | None] = (points(),), options: PreparationOptions = OPTIONS
) -> FaceTrack:
    return preparer(told).prepare(Frames(frames), options, lambda share: None, CancelToken())


def latents_of(face: Bytes) -> NDArray[np.float32]:
    """By definition: a BGR face at its own size to the latents of its upper half, then of the whole."""
    large = cv2.resize(face, (256, 256), interpolation=cv2.INTER_LANCZOS4)[:, :, ::-1] / 255
    upper = large.copy()
    upper[128:] = 0
    encoder = tiny_networks().vae_encoder
    with torch.inference_mode():
        planes = [
            torch.from_numpy(((part - 0.5) / 0.5).transpose(2, 0, 1)[None].copy()).float() for part in (upper, large)
        ]
        return np.asarray(torch.cat([encoder(plane) for plane in planes], dim=1)[0].numpy())


def classes_of(picture: Bytes, face: Bounds) -> Bytes:
    with torch.inference_mode():
        scores = tiny_networks().bisenet(torch.from_numpy(parser_input(picture, face))[None])
    return np.asarray(scores[0].argmax(0).numpy(), np.uint8)


@pytest.fixture(scope="module")
def frames() -> list[I420]:
    return [textured(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def track(frames: list[I420]) -> FaceTrack:
    """The third of four frames shows no face, and in the last one it is elsewhere."""
    return prepared(frames, [points(), points(), None, points(x=110, nose=76)])


def test_boxes_of_the_face_follow_the_landmarks(track: FaceTrack) -> None:
    assert track.data[FACE_BOX].tolist() == [[64, 40, 128, 130], [64, 40, 128, 130], [0] * 4, [78, 36, 142, 126]]
    assert track.data[FACE_BOX].dtype == np.int32
    assert track.data[LATENTS].dtype == np.float16
    assert track.data[LATENTS].shape == (4, 8, 32, 32)


def test_latents_are_the_masked_faces_and_then_the_whole_ones(track: FaceTrack, frames: list[I420]) -> None:
    for index, face in ((0, FACE), (3, FACE.moved(14, -4))):
        wanted = latents_of(bgr_of(frames[index])[face.top : face.bottom, face.left : face.right])
        found = track.data[LATENTS][index].astype(np.float32)
        assert np.abs(found - wanted).max() < 2**-11 * np.abs(wanted).max() + 1e-4
    assert not track.data[LATENTS][2].any()


def test_the_first_latents_know_nothing_of_the_lower_half(frames: list[I420]) -> None:
    other = frames[0].copy()
    other.y[FACE.top + FACE.height // 2 + 4 :] ^= 63
    one, two = (prepared([frame]).data[LATENTS][0].astype(np.float32) for frame in (frames[0], other))
    assert np.abs(one[:4] - two[:4]).max() < 1e-3
    assert np.abs(one[4:] - two[4:]).max() > 0.05


def test_the_mask_is_what_the_parser_says_of_the_surroundings(track: FaceTrack, frames: list[I420]) -> None:
    wanted = blend_mask(classes_of(bgr_of(frames[0]), FACE), FACE, (WIDTH, HEIGHT), MaskRules())
    assert wanted is not None
    box = track.box(0)
    assert box == wanted.box
    assert (track.mask(0) == wanted.mask).all()
    assert track.mask(0).shape == (wanted.box.height, wanted.box.width)
    assert track.box(2) is None
    assert not track.boxes[2].any()


def test_options_reach_boxes_and_masks(frames: list[I420]) -> None:
    lower = prepared(frames[:1], options=PreparationOptions(extra_margin=25))
    assert lower.data[FACE_BOX][0].tolist() == [64, 40, 128, 145]
    picture = bgr_of(frames[0])
    chosen = PreparationOptions(parsing_mode="neck", left_cheek_width=40, right_cheek_width=200)
    found = prepared(frames[:1], options=chosen)
    wanted = blend_mask(classes_of(picture, FACE), FACE, (WIDTH, HEIGHT), MaskRules("neck", 40, 200))
    assert wanted is not None
    assert found.box(0) == wanted.box
    assert (found.mask(0) == wanted.mask).all()


def test_every_option_is_heeded() -> None:
    assert preparer().heeds == set(PreparationOptions.model_fields)


@pytest.mark.parametrize("x", [20, WIDTH - 20])
def test_a_face_that_leaves_the_frame_is_seen_with_black_beyond(frames: list[I420], x: int) -> None:
    found = prepared(frames[:1], [points(x=x)])
    padded = np.pad(bgr_of(frames[0]), ((0, 0), (100, 100), (0, 0)))
    face = padded[40:130, 100 + x - 32 : 100 + x + 32]
    wanted = latents_of(face)
    assert np.abs(found.data[LATENTS][0] - wanted).max() < 2**-11 * np.abs(wanted).max() + 1e-4
    assert found.data[FACE_BOX][0].tolist() == [x - 32, 40, x + 32, 130]
    box = found.box(0)
    assert box is not None
    assert box.left >= 0
    assert box.right <= WIDTH


def test_a_frame_is_prepared_the_same_alone_and_in_a_batch(frames: list[I420], track: FaceTrack) -> None:
    eyes = MuseTalkEyes(tiny_networks(), ModelThread(), batch=3)
    told = [points(), points(), None, points(x=110, nose=76)]
    batched = MuseTalkPreparer(eyes, ToldFinder(told), "r", smooth=False).prepare(
        Frames(frames), OPTIONS, lambda share: None, CancelToken()
    )
    assert (batched.boxes == track.boxes).all()
    assert (batched.mask_index == track.mask_index).all()
    assert all((one == other).all() for one, other in zip(batched.masks, track.masks, strict=True))
    off = batched.data[LATENTS].astype(np.float32) - track.data[LATENTS]
    assert np.abs(off).max() < 2e-3


def test_smoothing_closes_a_gap_and_steadies_the_boxes(frames: list[I420]) -> None:
    told = [points(), points(x=97), None, points(x=96)]
    smooth = MuseTalkPreparer(MuseTalkEyes(tiny_networks(), ModelThread()), ToldFinder(told), "r")
    found = smooth.prepare(Frames([frames[0]] * 4), OPTIONS, lambda share: None, CancelToken())
    assert (found.mask_index >= 0).all()
    assert found.face.share_of_frames == 1
    assert np.ptp(found.data[FACE_BOX][:, 0]) <= 1


def test_a_cut_is_not_smoothed_across(frames: list[I420]) -> None:
    told = [points()] * 4 + [points(x=104)] * 4
    smooth = MuseTalkPreparer(MuseTalkEyes(tiny_networks(), ModelThread()), ToldFinder(told), "r")
    cut = smooth.prepare(Frames([frames[0]] * 4 + [frames[1]] * 4), OPTIONS, lambda share: None, CancelToken())
    assert cut.data[FACE_BOX][:, 0].tolist() == [64] * 4 + [72] * 4


def test_few_frames_with_a_face_are_refused_with_the_seconds(frames: list[I420]) -> None:
    told = [points(), None, None, None]
    with pytest.raises(NoFace, match=r"Only 25 % .* 0\.0-0\.2 s"):
        prepared([frames[0]] * 4, told)


def test_a_picture_without_a_face_is_refused() -> None:
    with pytest.raises(NoFace, match="The picture shows no face"):
        prepared([textured()], [None])


def changed(networks: Networks, layer: str, value: float) -> Networks:
    """The networks with one layer of the parser or the encoder overwritten."""
    name, _, inner = layer.partition(".")
    network: Any = deepcopy(getattr(networks, name))
    network.get_parameter(inner).fill_(value)
    return replace(networks, **{name: network})


def test_faces_of_which_the_parser_sees_nothing_are_none(frames: list[I420]) -> None:
    blind = preparer(networks=changed(tiny_networks(), "bisenet.conv_out.conv_out.weight", 0.0))
    with pytest.raises(NoFace):
        blind.prepare(Frames(frames), OPTIONS, lambda share: None, CancelToken())


def test_latents_that_are_no_numbers_are_an_error(frames: list[I420]) -> None:
    broken = preparer(networks=changed(tiny_networks(), "vae_encoder.quant_conv.bias", float("inf")))
    with pytest.raises(ConfigurationError, match="MODEL_DTYPE"):
        broken.prepare(Frames(frames), OPTIONS, lambda share: None, CancelToken())


@dataclass
class Passing:
    """Frames that are made when they are asked for; ``alive`` is how many exist."""

    count: int
    alive: set[int] = field(default_factory=set)
    most: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return WIDTH, HEIGHT

    def frame(self, index: int) -> I420:
        frame = textured(index)
        self.alive.add(index)
        self.most = max(self.most, len(self.alive))
        weakref.finalize(frame, self.alive.discard, index)
        return frame

    def __iter__(self) -> Iterator[I420]:
        return (self.frame(index) for index in range(self.count))


def test_progress_is_told_of_every_frame_in_both_walks() -> None:
    told: list[float] = []
    preparer().prepare(Passing(6), OPTIONS, told.append, CancelToken())
    assert len(told) == 12
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_few_frames_are_held_at_a_time() -> None:
    frames = Passing(22)
    preparer().prepare(frames, OPTIONS, lambda share: None, CancelToken())
    assert frames.most <= 16


@dataclass
class Uneven:
    """Frames, and landmarks for them, that come after a pause which nobody can foresee."""

    frames: Sequence[I420]
    finder: ToldFinder
    chance: random.Random

    @property
    def count(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        return WIDTH, HEIGHT

    @property
    def batch(self) -> int:
        return self.finder.batch

    def frame(self, index: int) -> I420:
        self._pause()
        return self.frames[index]

    def __iter__(self) -> Iterator[I420]:
        return (self.frame(index) for index in range(self.count))

    def find(self, shown: Sequence[Shown]) -> list[Landmarks | None]:
        self._pause()
        return self.finder.find(shown)

    def _pause(self) -> None:
        time.sleep(self.chance.choice((0, 0, 0.01, 0.04)))


@pytest.mark.parametrize(("seed", "finds", "sees"), [(0, 2, 3), (1, 32, 1)])
def test_the_track_is_the_same_however_long_anything_takes(seed: int, finds: int, sees: int) -> None:
    frames = [textured(index) for index in range(7)]
    told = [None if index == 4 else points(x=90 + 2 * index) for index in range(7)]

    def track_of(frames: FrameSource, finder: LandmarkFinder) -> FaceTrack:
        eyes = MuseTalkEyes(tiny_networks(), ModelThread(), batch=sees)
        return MuseTalkPreparer(eyes, finder, "r").prepare(frames, OPTIONS, lambda share: None, CancelToken())

    uneven = Uneven(frames, ToldFinder(told, batch=finds), random.Random(seed))
    assert_same(track_of(uneven, uneven), track_of(Frames(frames), ToldFinder(told)))


def assert_same(one: FaceTrack, other: FaceTrack) -> None:
    assert (one.boxes == other.boxes).all()
    assert (one.mask_index == other.mask_index).all()
    assert [mask.tobytes() for mask in one.masks] == [mask.tobytes() for mask in other.masks]
    assert {name: rows.tobytes() for name, rows in one.data.items()} == {
        name: rows.tobytes() for name, rows in other.data.items()
    }
    assert one.face == other.face


@pytest.mark.parametrize("after", [1, 5])
def test_stops_when_cancelled_in_either_walk(after: int) -> None:
    cancel, told = CancelToken(), list[float]()

    def progress(share: float) -> None:
        told.append(share)
        if len(told) == after:
            cancel.cancel()

    with pytest.raises(Cancelled):
        preparer().prepare(Passing(4), OPTIONS, progress, cancel)
    assert len(told) == after


def test_a_cancelled_preparation_looks_at_no_further_batch() -> None:
    cancel, finder = CancelToken(), ToldFinder([points()], batch=4)
    eyes = MuseTalkEyes(tiny_networks(), ModelThread())
    with pytest.raises(Cancelled):
        MuseTalkPreparer(eyes, finder, "r").prepare(Passing(40), OPTIONS, lambda share: cancel.cancel(), cancel)
    assert finder.looked == 4
    assert not stages_at_work()


def stages_at_work() -> list[str]:
    names = ("decoding", "glancing", "cutting out", "seeing", "abreast")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


@dataclass
class Breaking(Passing):
    """Frames of which one can't be read, from the given reading on."""

    sound: int = 0

    def frame(self, index: int) -> I420:
        self.sound -= 1
        if self.sound < 0:
            raise FrameDamaged(f"frame {index} is damaged")
        return super().frame(index)


@pytest.mark.parametrize("sound", [0, 3, 7])
def test_a_frame_that_cannot_be_read_ends_it_in_either_walk(sound: int) -> None:
    with pytest.raises(FrameDamaged):
        preparer().prepare(Breaking(5, sound=sound), OPTIONS, lambda share: None, CancelToken())
    assert not stages_at_work()


def test_a_face_is_described(frames: list[I420]) -> None:
    face = prepared(frames[:2], [points(), points(width=66)]).face
    assert face == Face(65, 90, 1, (), FacePlace(64, 40, 64, 90))


def test_the_face_s_place_is_that_of_the_first_frame_with_one_and_within_it(frames: list[I420]) -> None:
    face = prepared(frames[:3], [None, points(), points(width=90)]).face
    assert face.place == FacePlace(64, 40, 64, 90)
    assert FacePlace.within((100, 80), -3.4, 10.6, 107, 50) == FacePlace(0, 11, 100, 39)


def test_what_is_wrong_with_a_face_is_told(frames: list[I420]) -> None:
    told = [points(width=60), points(width=60), None]
    assert len(prepared(frames[:3], told).face.warnings) == 2
