"""Jobs for the worker, from well-formed to absurd, as a hypothesis strategy.

A job is a well-formed one of an action, with some of its fields replaced by others that its schema names, by what the
field's type allows, or by an oddity; now and then with a key that nobody knows, or with no object at all as its input.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel

from engine.schemas import ACTIONS, Generate
from engine.speech.voice import VoiceSettings
from engine.store.callers_bucket_config import CallersBucketConfig
from tests.fuzz.drawn import weighed
from tests.fuzz.oddities import addresses, anything, numbers, texts
from tests.worker.clips import hum, wav_base64

READY, OTHER = "ready", "other"
"""Sessions that are there: of nobody, and of an owner."""

OWNER = "an owner"

Fields = dict[str, Any]

SOUNDS = (wav_base64(hum(0.12)), wav_base64(hum(0.25)), wav_base64(hum(0.05)), wav_base64(hum(1.5)), "", "UklGRg==")
NAMES = ("default.mp4", "text.mp4", "nobody.mp4", "missing.mp4", "./default.mp4", "playlist.m3u8")

WELL_FORMED: tuple[Fields, ...] = (
    {"session_id": READY, "audio_base64": SOUNDS[0]},
    {"session_id": READY, "audio_base64": SOUNDS[1], "height": 128, "quality": "draft", "stream": True},
    {"session_id": OTHER, "owner": OWNER, "audio_base64": SOUNDS[0], "metadata": {"a": [1, "b"]}},
    {"session_id": READY, "text": "Hi"},
    {"audio_base64": SOUNDS[0], "idempotency_key": "once", "sync_mode": "loop", "start_seconds": 0.1},
    {"session_id": READY, "audio_url": "https://name.invalid/a.wav"},
    {"action": "create_session"},
    {"action": "create_session", "avatar_video_path": "default.mp4", "session_id": "new", "extra_margin": 10},
    {"action": "create_session", "avatar_video_path": "https://name.invalid/a.mp4", "owner": OWNER},
    {"action": "status"},
    {"action": "status", "session_id": READY},
    {"action": "delete_session", "session_id": READY, "forget_avatar": True},
)

S3_CONFIG: Fields = {
    "accessId": "AKIDEXAMPLE",
    "accessSecret": "secret",
    "bucketName": "bucket",
    "endpointUrl": "https://s3.name.invalid",
    "objectPath": "videos/",
}


def jobs() -> SearchStrategy[Fields]:
    """Jobs as the queue hands them out: ``id``, ``input`` and now and then ``s3Config``."""
    plain = st.fixed_dictionaries({"id": _ids(), "input": _inputs()})
    with_bucket = st.fixed_dictionaries({"id": _ids(), "input": _inputs(), "s3Config": _s3_configs()})
    return weighed((4, plain), (1, with_bucket))


def _ids() -> SearchStrategy[str]:
    return st.sampled_from(("job-1", "0b0f4c3e-8f7c-4c1e-9d3b-1f0e6b6f2f10-u1", "sync-1", "once")) | texts()


def _inputs() -> SearchStrategy[Any]:
    mutated = [_mutated(whole) for whole in WELL_FORMED]
    return weighed(*((4, each) for each in mutated), (2, anything()))


def _mutated(whole: Fields) -> SearchStrategy[Fields]:
    model = ACTIONS[whole.get("action", "generate")]
    one = st.sampled_from(list(model.model_fields)).flatmap(lambda name: _named(model, name))
    chosen = st.lists(one, min_size=1, max_size=3).map(dict)
    unknown = weighed((11, st.just({})), (1, st.dictionaries(texts(), anything(), max_size=2)))
    dropped = st.sampled_from(("", "", "", "", "", *whole))
    return st.builds(_merged, st.just(whole), chosen, unknown, dropped)


def _merged(whole: Fields, chosen: Fields, unknown: Fields, dropped: str) -> Fields:
    return {name: value for name, value in {**whole, **chosen, **unknown}.items() if name != dropped}


@cache
def _named(model: type[BaseModel], name: str) -> SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(name), _field(model, name))


def _field(model: type[BaseModel], name: str) -> SearchStrategy[Any]:
    """What the field's type allows, what is likely in it, and anything else."""
    likelies = [_LIKELY[name]] if name in _LIKELY else []
    typed = [] if name in _UNTYPED else [_of_type(model.model_fields[name].annotation)]
    return weighed((2, anything()), *((6, likely) for likely in likelies), *((3, each) for each in typed))


def _of_type(annotation: Any) -> SearchStrategy[Any]:
    return st.from_type(annotation)


def _s3_configs() -> SearchStrategy[Any]:
    names = {field.alias or name: anything() for name, field in CallersBucketConfig.model_fields.items()}
    likely = {"endpointUrl": addresses(), "bucketName": texts(), "objectPath": texts()}
    changed = st.fixed_dictionaries({}, optional={**names, **likely})
    return weighed((4, changed.map(lambda changes: {**S3_CONFIG, **changes})), (1, anything()))


def _garbage() -> SearchStrategy[str]:
    return st.binary(max_size=200).map(lambda body: base64.b64encode(body).decode())


def _voice_settings() -> SearchStrategy[Any]:
    return st.dictionaries(
        st.sampled_from(list(VoiceSettings.model_fields)), st.floats(0, 1.2) | anything(), max_size=3
    )


_UNTYPED = ("metadata", "voice_settings", "session_id")
"""Fields whose types hypothesis has no JSON for, or whose patterns it doesn't know."""

_PATHS = weighed((1, st.sampled_from(NAMES)), (1, texts()), (2, addresses()))
_LIKELY: dict[str, SearchStrategy[Any]] = {
    "action": st.sampled_from((*ACTIONS, "dance")),
    "session_id": weighed((3, st.sampled_from((READY, OTHER, "new", "nobody"))), (1, texts())),
    "avatar_video_path": _PATHS,
    "audio_url": _PATHS,
    "audio_base64": weighed((1, st.sampled_from(SOUNDS)), (1, _garbage())),
    "owner": weighed((1, st.sampled_from((OWNER, "another"))), (1, texts())),
    "text": weighed((1, st.sampled_from(("Hi", "Yes.", "\u0645\u0631\u062d\u0628\u0627"))), (2, texts())),
    "voice_settings": _voice_settings(),
    "metadata": anything(),
    "start_seconds": st.floats(-1, 2) | numbers(),
    "height": st.integers(100, 300) | numbers(),
    "idempotency_key": weighed((1, st.sampled_from(("once", "twice"))), (1, texts())),
    "sync_mode": st.sampled_from(("bounce", "loop", "cut_off", "Bounce")),
}
assert set(_LIKELY) <= {"action", *Generate.model_fields}
