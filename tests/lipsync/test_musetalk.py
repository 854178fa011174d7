"""MuseTalk's drawing, held against the networks' answers worked out step by step beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_resting import HeardFrame
from engine.lipsync.musetalk_track import FACE_BOX, LATENT_SHAPE, LATENTS
from engine.lipsync.renderer import Array, Face, FaceTrack, Shot
from engine.lipsync.windows import position_encoding
from engine.timebase import HEARD_RATE
from engine.video.compose import Alpha, compose
from engine.video.i420 import I420, Box, Bytes
from tests.lipsync.recorded_drawing import drawn
from tests.lipsync.tiny_musetalk import HEIGHT, WIDTH, textured, tiny_networks

BOX = Box(56, 60, 132, 122)
BOUNDS = (60, 40, 124, 130)
TOKENS = (50, 24)
BT_709 = np.array([0.2126, 0.7152, 0.0722])
Wide = NDArray[np.float64]


def mask() -> Bytes:
    """Full in the middle, half at its rim, and nothing in the box's first rows."""
    full = np.full((BOX.height, BOX.width), 255, np.uint8)
    full[:6] = 0
    full[6:12] = 128
    return full


def track(count: int = 4, bounds: tuple[int, int, int, int] = BOUNDS, box: Box = BOX) -> FaceTrack:
    chance = np.random.default_rng(3)
    boxes = np.tile(np.array([box.left, box.top, box.right, box.bottom], np.int32), (count, 1))
    data: dict[str, Array] = {
        LATENTS: chance.normal(0, 1, (count, *LATENT_SHAPE)).astype(np.float16),
        FACE_BOX: np.tile(np.array(bounds, np.int32), (count, 1)),
    }
    masks = (mask() if box == BOX else np.full((box.height, box.width), 255, np.uint8),)
    return FaceTrack(boxes, np.zeros(count, np.int32), masks, data, Face(64, 90, 1.0))


def shot(index: int = 0, speaks: float = 1.0, of: FaceTrack | None = None) -> Shot:
    tokens = np.random.default_rng(100 + index).normal(0, 1, TOKENS).astype(np.float32)
    return Shot(textured(index), index, of or track(), HeardFrame(tokens, speaks))


def drawn_alone(shot: Shot) -> Bytes:
    """The networks' face in BGR, (256, 256, 3), by their definition."""
    networks = tiny_networks()
    heard = torch.from_numpy(shot.feature.tokens + position_encoding(width=TOKENS[1]))[None]
    with torch.inference_mode():
        latents = torch.from_numpy(shot.track.data[LATENTS][shot.index].astype(np.float32))[None]
        picture = networks.vae_decoder(networks.unet(latents, heard))[0].numpy()
    levels = np.rint(np.clip(picture * 0.5 + 0.5, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0)[:, :, ::-1])


def assert_shows(crop: I420, box: Box, face: Bytes, bounds: tuple[int, int, int, int]) -> None:
    """``crop``, which shows ``box`` of the frame, shows the face at ``bounds``, as far as that lies in the box."""
    left, top, right, bottom = bounds
    colours = cv2.resize(face, (right - left, bottom - top)).astype(np.float64)[:, :, ::-1]
    rows = slice(max(box.top, top), min(box.bottom, bottom))
    columns = slice(max(box.left, left), min(box.right, right))
    wanted = colours[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    shown = slice(rows.start - box.top, rows.stop - box.top), slice(columns.start - box.left, columns.stop - box.left)
    halved = slice(shown[0].start // 2, shown[0].stop // 2), slice(shown[1].start // 2, shown[1].stop // 2)
    luma = wanted @ BT_709
    assert np.abs(crop.y[shown] - (16 + luma * 219 / 255)).max() <= 1
    for plane, colour, reach in ((crop.u, 2, 1.8556), (crop.v, 0, 1.5748)):
        chroma = mean_of_four((wanted[:, :, colour] - luma) / reach)
        assert np.abs(plane[halved] - (128 + chroma * 224 / 255)).max() <= 1


def mean_of_four(plane: Wide) -> Wide:
    rows, columns = plane.shape
    return np.asarray(plane.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3)))


def far_apart(one: I420, other: I420) -> int:
    return int(np.abs(one.packed.astype(int) - other.packed.astype(int)).max())


@pytest.fixture(scope="module")
def lipsync() -> MuseTalkLipSync:
    return MuseTalkLipSync(tiny_networks(), ModelThread())


def test_inside_the_face_is_the_networks_picture(lipsync: MuseTalkLipSync) -> None:
    asked = shot()
    crop = drawn(lipsync, [asked])[0]
    assert_shows(crop, BOX, drawn_alone(asked), BOUNDS)
    assert np.abs(crop.y.astype(int) - asked.frame.crop(BOX).y).mean() > 20


def test_beside_the_face_the_crop_is_the_frames_own(lipsync: MuseTalkLipSync) -> None:
    asked = shot()
    crop, own = drawn(lipsync, [asked])[0], asked.frame.crop(BOX)
    assert np.abs(crop.y[:, :4].astype(int) - own.y[:, :4]).max() <= 1


def test_outside_the_mask_the_frame_is_untouched_and_inside_it_is_the_drawing(lipsync: MuseTalkLipSync) -> None:
    asked = shot()
    crop = drawn(lipsync, [asked])[0]
    picture = compose(asked.frame, crop, BOX, Alpha.of(mask()))
    changed = picture.y != asked.frame.y
    rows, columns = np.nonzero(changed)
    assert rows.min() >= BOX.top + 6
    assert rows.max() < BOX.bottom
    assert columns.min() >= BOX.left
    assert columns.max() < BOX.right
    full = (slice(BOX.top + 12, BOX.bottom), slice(BOX.left, BOX.right))
    assert (picture.y[full] == crop.y[12:]).all()
    chroma_rows = np.nonzero((picture.u != asked.frame.u) | (picture.v != asked.frame.v))[0]
    assert chroma_rows.min() >= (BOX.top + 6) // 2


@pytest.mark.parametrize(
    ("bounds", "box"),
    [
        ((-20, 60, 44, 140), Box(0, 90, 40, 140)),
        ((150, 60, 230, 140), Box(160, 80, WIDTH, 130)),
        ((60, 90, 140, HEIGHT + 20), Box(60, 120, 140, HEIGHT)),
    ],
)
def test_a_face_that_leaves_the_frame_is_cut_not_stretched(
    lipsync: MuseTalkLipSync, bounds: tuple[int, int, int, int], box: Box
) -> None:
    asked = shot(of=track(bounds=bounds, box=box))
    crop = drawn(lipsync, [asked])[0]
    assert_shows(crop, box, drawn_alone(asked), bounds)


def test_a_frame_is_drawn_the_same_alone_and_in_a_batch(lipsync: MuseTalkLipSync) -> None:
    shots = [shot(index) for index in (2, 0, 3, 1)]
    together = drawn(lipsync, shots)
    assert all(far_apart(crop, drawn(lipsync, [one])[0]) <= 1 for crop, one in zip(together, shots, strict=True))
    assert far_apart(together[0], together[1]) > 20


def test_a_resting_mouth_is_the_avatars_own(lipsync: MuseTalkLipSync) -> None:
    shots = [shot(0, 0.0), shot(1, 1.0), shot(2, 0.0)]
    first, second, third = drawn(lipsync, shots)
    assert (first.packed == shots[0].frame.crop(BOX).packed).all()
    assert (third.packed == shots[2].frame.crop(BOX).packed).all()
    assert far_apart(second, drawn(lipsync, [shots[1]])[0]) <= 1


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_mouth_on_its_way_to_rest_is_between_both(lipsync: MuseTalkLipSync, share: float) -> None:
    between, whole = drawn(lipsync, [shot(0, share)])[0], drawn(lipsync, [shot(0)])[0]
    own = textured(0).crop(BOX).packed.astype(float)
    wanted = own + share * (whole.packed.astype(float) - own)
    assert np.abs(between.packed - wanted).max() <= 1


def heard(lipsync: MuseTalkLipSync) -> list[HeardFrame]:
    """Half a second of a tone, a second of nothing, half a second of the tone."""
    time = np.arange(HEARD_RATE // 2) / HEARD_RATE
    tone = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    listener = lipsync.listen(live=False)
    sound = np.concatenate([tone, np.zeros(HEARD_RATE, np.float32), tone])
    return [frame for part in np.array_split(sound, 7) for frame in listener.push(part)] + listener.finish()


def test_the_mouth_rests_where_nothing_is_heard(lipsync: MuseTalkLipSync) -> None:
    frames = heard(lipsync)
    assert len(frames) == 50
    shares = [frame.speaks for frame in frames]
    assert shares[:12] == [1.0] * 12
    assert shares[13:17] == [0.75, 0.5, 0.25, 0.0]
    assert shares[17:34] == [0.0] * 17
    assert shares[-12:] == [1.0] * 12
    assert {frame.tokens.shape for frame in frames} == {TOKENS}


def test_without_rest_every_frame_speaks_and_hears_the_same() -> None:
    restless = heard(MuseTalkLipSync(tiny_networks(), ModelThread(), rests=False))
    assert {frame.speaks for frame in restless} == {1.0}
    resting = heard(MuseTalkLipSync(tiny_networks(), ModelThread()))
    assert all((one.tokens == other.tokens).all() for one, other in zip(restless, resting, strict=True))


def test_an_answer_that_is_no_number_is_an_error() -> None:
    networks = tiny_networks()
    unet = deepcopy(networks.unet)
    next(unet.parameters()).fill_(float("nan"))
    broken = MuseTalkLipSync(replace(networks, unet=unet), ModelThread())
    with pytest.raises(ConfigurationError, match="MODEL_DTYPE"):
        drawn(broken, [shot()])
    with pytest.raises(ConfigurationError, match="MODEL_DTYPE"):
        broken.warm()


def test_a_frame_that_is_no_number_fails_alone(lipsync: MuseTalkLipSync) -> None:
    broken = track()
    broken.data[LATENTS][1, 0, 3, 3] = np.nan
    good, bad = lipsync.begin([shot(0), shot(1, of=broken)]).wait()
    assert far_apart(good(), drawn(lipsync, [shot(0)])[0]) <= 1
    with pytest.raises(ConfigurationError, match="MODEL_DTYPE"):
        bad()


def painted_sizes(lipsync: MuseTalkLipSync, doing: Callable[[], object]) -> list[int]:
    """How many faces the networks drew at a time meanwhile."""
    sizes: list[int] = []
    hook = lipsync.painter.register_forward_hook(lambda *call: sizes.append(len(call[1][0])))
    doing()
    hook.remove()
    return sizes


def test_warming_draws_every_size_the_largest_first(lipsync: MuseTalkLipSync) -> None:
    assert lipsync.batch_sizes == (1, 2)
    assert painted_sizes(lipsync, lipsync.warm) == [2, 1]


@pytest.mark.parametrize(
    ("shares", "sizes"), [((1.0, 1.0), [2]), ((0.0, 1.0), [1]), ((0.0, 0.25), [1]), ((0.0, 0.0), [])]
)
def test_the_networks_see_only_the_shots_that_speak(
    lipsync: MuseTalkLipSync, shares: tuple[float, ...], sizes: list[int]
) -> None:
    shots = [shot(index, share) for index, share in enumerate(shares)]
    assert painted_sizes(lipsync, lambda: drawn(lipsync, shots)) == sizes


def test_a_batch_may_begin_before_the_one_before_it_is_waited_for(lipsync: MuseTalkLipSync) -> None:
    shots = [shot(index) for index in range(4)]
    first, second = lipsync.begin(shots[:2]), lipsync.begin(shots[2:])
    pictures = [finish() for drawing in (first, second) for finish in drawing.wait()]
    assert all(far_apart(crop, drawn(lipsync, [one])[0]) <= 1 for crop, one in zip(pictures, shots, strict=True))


def test_relieved_it_draws_the_same(lipsync: MuseTalkLipSync) -> None:
    before = drawn(lipsync, [shot(2)])[0]
    lipsync.relieve()
    assert (drawn(lipsync, [shot(2)])[0].packed == before.packed).all()


def test_the_ear_hears_in_the_models_thread() -> None:
    thread, heard_in = ModelThread(), []
    networks = tiny_networks()
    hook = networks.whisper.register_forward_hook(lambda *_: heard_in.append(threading.get_ident()))
    heard(MuseTalkLipSync(networks, thread))
    hook.remove()
    assert set(heard_in) == {thread.run(threading.get_ident)}
    assert heard_in[0] != threading.get_ident()
