"""From a job's input to its video through the engine, drawn by MuseTalk with tiny networks."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.drawing.model_thread import ModelThread
from engine.lipsync.choose import Renderer
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_look import MuseTalkEyes
from engine.lipsync.musetalk_prepare import MuseTalkPreparer
from engine.nets.networks import Networks
from engine.video.i420 import Bytes
from tests.engine_ground import EngineGround
from tests.lipsync.recorded_drawing import RecordedDrawing, assert_untouched_outside_the_mask, whole_mask
from tests.lipsync.tiny_musetalk import ToldFinder, points, skin_everywhere, tiny_networks
from tests.worker.clips import hum, talking_head, wav_base64

FACE = points(130, 140, 116, 74)
"""Where the face is in the clip: read off its picture."""
AVATAR_FRAMES = 6


@dataclass
class Studio:
    """An engine whose avatar has a face where it was told, and which keeps what is drawn."""

    ground: EngineGround
    finder: ToldFinder
    drawing: RecordedDrawing


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    finder, networks = ToldFinder([FACE]), seeing_skin(tiny_networks())
    thread = ModelThread()
    drawing = RecordedDrawing(MuseTalkLipSync(networks, thread))
    preparer = MuseTalkPreparer(MuseTalkEyes(networks, thread), finder, "tiny")
    renderer = Renderer("musetalk", "tiny", "cpu", preparer, drawing, thread)
    ground = EngineGround(tmp_path).open(renderer)
    talking_head(tmp_path / "avatars" / "default.mp4", frames=AVATAR_FRAMES)
    yield Studio(ground, finder, drawing)
    assert ground.left_in_scratch() == []


def seeing_skin(networks: Networks) -> Networks:
    """With a parser whose masks are whole: what random weights see is little."""
    parser = deepcopy(networks.bisenet)
    parser.load_state_dict(skin_everywhere(parser.state_dict()))
    return replace(networks, bisenet=parser)


def brightness(path: str) -> list[Bytes]:
    with av.open(path) as file:
        return [np.asarray(frame.to_ndarray(format="yuv420p")[: frame.height]) for frame in file.decode(video=0)]


def test_a_sound_becomes_a_video_that_differs_from_the_avatar_in_the_mask_alone(studio: Studio) -> None:
    reply = studio.ground.run({"audio_base64": wav_base64(hum(0.4))})
    assert (reply["renderer"], reply["frames"], reply["warnings"]) == ("musetalk", 10, [])
    shown = brightness(reply["video_url"])
    assert len(shown) == len(studio.drawing.shots) == 10
    for number, shot in enumerate(studio.drawing.shots):
        mask, made = whole_mask(shot), studio.drawing.composed(number)
        assert_untouched_outside_the_mask(shot.frame, made, mask)
        assert np.abs(made.y[mask == 255].astype(int) - shot.frame.y[mask == 255]).mean() > 10
        assert np.abs(shown[number].astype(int) - made.y).mean() < 2.5


def test_the_session_tells_of_its_face(studio: Studio) -> None:
    avatar = studio.ground.run({"action": "create_session"})["avatar"]
    assert (avatar["face_width"], avatar["face_height"]) == (116, 158)
    assert avatar["warnings"] == []
    assert studio.ground.engine.health().renderer == "musetalk"


def test_in_silence_the_avatar_is_shown_as_it_is(studio: Studio) -> None:
    sound: NDArray[np.int16] = np.concatenate([hum(0.4), np.zeros(16_000, np.int16), hum(0.4)])
    reply = studio.ground.run({"audio_base64": wav_base64(sound)})
    assert reply["frames"] == 45
    speaks = [shot.feature.speaks for shot in studio.drawing.shots]
    assert speaks[:8] == speaks[-8:] == [1.0] * 8
    resting = [number for number, share in enumerate(speaks) if share == 0]
    assert len(resting) >= 18
    for number in resting:
        assert (studio.drawing.composed(number).packed == studio.drawing.shots[number].frame.packed).all()


def test_at_rest_every_frame_is_the_avatars_own(studio: Studio) -> None:
    reply = studio.ground.run({"idle": True})
    assert reply["frames"] == len(studio.drawing.shots) == 60
    for number, shot in enumerate(studio.drawing.shots):
        assert shot.feature.speaks == 0
        assert (studio.drawing.composed(number).packed == shot.frame.packed).all()


def test_an_avatar_is_prepared_once_for_each_choice_of_options(studio: Studio) -> None:
    def key_of(session: str, **options: object) -> str | None:
        studio.ground.run({"action": "create_session", "session_id": session, **options})
        record = studio.ground.engine.records.sessions.get(session)
        assert record is not None
        return record.avatar_key

    usual = key_of("one")
    assert key_of("two", extra_margin=10, parsing_mode=None) == usual
    assert studio.finder.looked == AVATAR_FRAMES
    assert key_of("three", parsing_mode="raw") != usual
    assert studio.finder.looked == 2 * AVATAR_FRAMES


def test_the_worker_warms_itself_by_drawing(studio: Studio) -> None:
    ran: list[object] = []
    handle = tiny_networks().unet.register_forward_hook(lambda *call: ran.append(call))
    studio.ground.engine.checks()["rendering"]()
    handle.remove()
    assert len(ran) == 2
