"""What the worker accepts as a job's input, and how it says no."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidInput, UnknownAction
from engine.lipsync.options import PreparationOptions
from engine.schemas import CreateSession, DeleteSession, Generate, Status, parse_input


def test_action_defaults_to_generate() -> None:
    request = parse_input({"text": "Hello"})
    assert isinstance(request, Generate)
    assert request.text == "Hello"
    assert request.sync_mode == "bounce"


@pytest.mark.parametrize(
    ("job_input", "model"),
    [
        ({"action": "create_session", "avatar_video_path": None}, CreateSession),
        ({"action": "create_session", "session_id": "mine-1"}, CreateSession),
        ({"action": "status"}, Status),
        ({"action": "delete_session", "session_id": "a"}, DeleteSession),
        ({"action": "generate", "session_id": "a", "audio_base64": "UklGRg=="}, Generate),
        ({"text": "Hi", "voice_settings": {"speed": 1, "use_speaker_boost": True}}, Generate),
        ({"text": "Hi", "start_seconds": 2}, Generate),
        (
            {"action": "create_session", "extra_margin": 0, "parsing_mode": "raw", "left_cheek_width": 256},
            CreateSession,
        ),
        ({"text": "Hi", "session_id": "a", "extra_margin": None}, Generate),
    ],
)
def test_every_action_has_its_model(job_input: dict[str, Any], model: type) -> None:
    assert isinstance(parse_input(job_input), model)


@pytest.mark.parametrize("job_input", [None, "text", 3, ["text"]])
def test_input_has_to_be_an_object(job_input: object) -> None:
    with pytest.raises(InvalidInput, match="JSON object"):
        parse_input(job_input)


@pytest.mark.parametrize(
    ("action", "hint"),
    [("genrate", "Did you mean `generate`"), ("dance", "Known: `generate`"), (7, "no action 7"), (None, "None")],
)
def test_unknown_action_names_the_nearest(action: object, hint: str) -> None:
    with pytest.raises(UnknownAction, match=hint):
        parse_input({"action": action, "text": "Hi"})


@pytest.mark.parametrize(
    ("job_input", "hint"),
    [
        ({"txt": "Hi"}, "Did you mean `text`"),
        ({"text": "Hi", "voice": "x"}, "Did you mean `voice_id`"),
        ({"text": "Hi", "voice_settings": {"sped": 1}}, "Did you mean `speed`"),
        ({"text": "Hi", "voice_settings": {"speed": 9}}, "voice_settings.speed"),
        ({"text": 5}, "`text`"),
        ({"text": "Hi", "start_seconds": "1"}, "`start_seconds`"),
        ({"text": "Hi", "start_seconds": -1}, "`start_seconds`"),
        ({"text": "Hi", "start_seconds": float("nan")}, "`start_seconds`"),
        ({"text": "Hi", "start_seconds": True}, "`start_seconds`"),
        ({"text": "Hi", "session_id": "../etc"}, "`session_id`"),
        ({"text": "Hi", "sync_mode": "spin"}, "`sync_mode`"),
        ({}, "exactly one of `text`"),
        ({"text": "Hi", "audio_url": "https://a/b.mp3"}, "text and audio_url"),
        ({"text": "Hi", "session_id": "a", "avatar_video_path": "b"}, "exclude each other"),
        ({"text": "Hi", "session_id": "a", "extra_margin": 10}, "`session_id` and `extra_margin` exclude each other"),
        ({"text": "Hi", "extra_margin": 101}, "`extra_margin`"),
        ({"text": "Hi", "extra_margin": "10"}, "`extra_margin`"),
        ({"text": "Hi", "right_cheek_width": 257}, "`right_cheek_width`"),
        ({"text": "Hi", "parsing_mode": "chin"}, "`parsing_mode`"),
        ({"text": "Hi", "bbox_shift": 3}, "Use `extra_margin`"),
        ({"action": "create_session", "bbox_shift": 0}, "Use `extra_margin`"),
        ({"text": "Hi", "metadata": "x" * 1100}, "1024 bytes"),
        ({"text": "Hi", "metadata": {"a": [float("nan")]}}, "`metadata`: it has to be JSON"),
        ({"text": "Hi", "metadata": {"\ud800": 1}}, "`metadata`: it has to be JSON"),
        ({"text": "Hi", "idempotency_key": "\ud800"}, "`idempotency_key`"),
        ({"text": "Hi", "voice_id": "\ud800"}, "`voice_id`"),
        ({"text": "Hi", "model_id": "\ud800"}, "`model_id`"),
        ({"text": "Hi", "avatar_video_path": "a\udfff.mp4"}, "`avatar_video_path`"),
        ({"audio_url": "https://a/\ud800.mp3"}, "`audio_url`"),
        ({"action": "create_session", "avatar_video_path": "\ud800"}, "`avatar_video_path`"),
        ({"action": "delete_session"}, "`delete_session` needs `session_id`"),
    ],
)
def test_bad_fields_are_named(job_input: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_input(job_input)
    assert hint in caught.value.message


def test_options_that_are_not_given_have_their_defaults() -> None:
    request = parse_input({"action": "create_session", "extra_margin": 4, "parsing_mode": None})
    assert isinstance(request, CreateSession)
    assert request.options == PreparationOptions(extra_margin=4)
    assert request.options.chosen() == {"extra_margin": 4}


def test_a_generate_passes_its_avatar_and_options_on() -> None:
    request = parse_input({"text": "Hi", "avatar_video_path": "a.mp4", "left_cheek_width": 60})
    assert isinstance(request, Generate)
    creation = request.creation()
    assert (creation.avatar_video_path, creation.session_id) == ("a.mp4", None)
    assert creation.options == PreparationOptions(left_cheek_width=60)


def test_many_mistakes_make_a_short_message() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_input({f"wrong{number}": "x" * 5000 for number in range(200)})
    assert len(caught.value.message) < 2000
    assert "more" in caught.value.message


def test_metadata_is_measured_as_utf_8() -> None:
    assert parse_input({"text": "Hi", "metadata": "ä" * 511})
    with pytest.raises(InvalidInput, match="1024 bytes"):
        parse_input({"text": "Hi", "metadata": "ä" * 512})


def test_a_deeply_nested_value_makes_a_short_message() -> None:
    nested: list[Any] = []
    for _ in range(400):
        nested = [nested]
    with pytest.raises(InvalidInput, match="`metadata") as caught:
        parse_input({"text": "Hi", "metadata": nested})
    assert len(caught.value.message) < 400


def test_a_long_value_is_not_thrown_back_whole() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_input({"text": "Hi", "sync_mode": "y" * 100_000})
    assert len(caught.value.message) < 400
