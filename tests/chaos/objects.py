"""Whether every object of a store is whole: what its key promises, read to its end."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from PIL import Image
from pydantic import BaseModel, ValidationError

from engine.avatar.manifest import read_manifest
from engine.avatar.refs import WITHDRAWN
from engine.boot_record import BootRecord
from engine.kept_speech import SpeechNote
from engine.ledger.entry import Entry
from engine.ledger.usage import OwnersDay
from engine.records import JobRecord, SessionRecord
from engine.schemas import Generated
from engine.speech.catalogue import Catalogue
from engine.streams.layout import StreamState
from engine.timebase import PLAYED_PER_FRAME
from tests.chaos.media import is_fragments, sound_samples, video_frames

Objects = Mapping[str, bytes]
IsWhole = Callable[[str, Objects], bool]
"""Of the object with this key, among all of them."""


def torn(objects: Objects) -> Iterator[str]:
    """Keys of objects that are not whole, or that nothing of the service writes."""
    for key in sorted(objects):
        judge = next((judge for pattern, judge in _KINDS if pattern.fullmatch(key)), None)
        if judge is None or not judge(key, objects):
            yield key


def _parses(model: type[BaseModel]) -> IsWhole:
    def judge(key: str, objects: Objects) -> bool:
        with suppress(ValidationError):
            model.model_validate_json(objects[key])
            return True
        return False

    return judge


def _manifest(key: str, objects: Objects) -> bool:
    """A bundle is there when its manifest is: then every part has its size and its checksum."""
    manifest = read_manifest(objects[key], key.split("/")[1])
    if manifest is None:
        return _is_withdrawal(objects[key])
    parts = ((objects.get(manifest.part_key(name), b""), part) for name, part in manifest.parts.items())
    return all(len(body) == part.bytes and hashlib.sha256(body).hexdigest() == part.sha256 for body, part in parts)


def _is_withdrawal(body: bytes) -> bool:
    with suppress(ValueError):
        return WITHDRAWN in json.loads(body)
    return False


def _stream(key: str, objects: Objects) -> bool:
    """A stream that is done has all of its parts, and they are a video."""
    if not _parses(StreamState)(key, objects):
        return False
    state = StreamState.model_validate_json(objects[key])
    if state.state != "done":
        return True
    folder = f"{key.rpartition('/')[0]}/{state.run}/"
    parts = sorted(name for name in objects if name.startswith(f"{folder}part-"))
    video = b"".join(objects.get(name, b"") for name in (f"{folder}init.mp4", *parts))
    return len(parts) == state.parts and video_frames(video) > 0


def _sound(key: str, objects: Objects) -> bool:
    """It lasts as long as the video beside it, or longer: an MP3's last frame is filled up."""
    samples = sound_samples(objects[key])
    video = objects.get(f"{key.rpartition('/')[0]}/video.mp4")
    return samples > 0 and (video is None or samples >= video_frames(video) * PLAYED_PER_FRAME)


def _picture(key: str, objects: Objects) -> bool:
    with suppress(OSError, SyntaxError):
        Image.open(io.BytesIO(objects[key])).load()
        return True
    return False


def _begins(text: bytes) -> IsWhole:
    return lambda key, objects: objects[key].startswith(text)


def _kind(pattern: str, judge: IsWhole) -> tuple[re.Pattern[str], IsWhole]:
    return re.compile(pattern), judge


_ID = "[A-Za-z0-9_-]{1,120}"
_OUTPUT = f"outputs/{_ID}/{_ID}"
_STREAM = f"streams/{_ID}/{_ID}"
_AVATAR = "avatars/[0-9a-f]{64}"

_KINDS: tuple[tuple[re.Pattern[str], IsWhole], ...] = (
    _kind(f"sessions/{_ID}.json", _parses(SessionRecord)),
    _kind(f"jobs/{_ID}.json", _parses(JobRecord)),
    _kind(f"{_OUTPUT}/video.mp4", lambda key, objects: video_frames(objects[key]) > 0),
    _kind(f"{_OUTPUT}/audio.mp3", _sound),
    _kind(f"{_OUTPUT}/captions.vtt", _begins(b"WEBVTT")),
    _kind(f"{_OUTPUT}/captions.srt", lambda key, objects: not objects[key] or objects[key][:1] == b"1"),
    _kind(f"{_OUTPUT}/thumbnail.jpg", _picture),
    _kind(f"{_OUTPUT}/result.json", _parses(Generated)),
    _kind(f"{_OUTPUT}/speech/sound.pcm", lambda key, objects: len(objects[key]) % 2 == 0),
    _kind(f"{_OUTPUT}/speech/note.json", _parses(SpeechNote)),
    _kind(f"streams/{_ID}/stream.json", _stream),
    _kind(f"{_STREAM}/(init.mp4|(part|segment)-[0-9]+.m4s)", lambda key, objects: is_fragments(objects[key])),
    _kind(f"{_STREAM}/index.m3u8", _begins(b"#EXTM3U")),
    _kind(f"{_AVATAR}/manifest.json", _manifest),
    _kind(f"{_AVATAR}/[0-9a-f]{{32}}/(frames.h264|track.safetensors)", lambda key, objects: len(objects[key]) > 0),
    _kind(f"{_AVATAR}/[0-9a-f]{{32}}/thumbnail.jpg", _picture),
    _kind(f"{_AVATAR}/(used|refs/{_ID})", lambda key, objects: objects[key] == b"{}"),
    _kind("audit/[0-9-]+/" + _ID + ".json", _parses(Entry)),
    _kind("usage/[0-9-]+/[a-z0-9]+.json", _parses(OwnersDay)),
    _kind(f"owners/[a-z0-9]+/sessions/[0-9]{{16}}-{_ID}", lambda key, objects: objects[key] == b""),
    _kind(f"workers/{_ID}.json", _parses(BootRecord)),
    _kind("workers/probe-[0-9a-f-]{36}", lambda key, objects: objects[key] == b"probe"),
    _kind("catalogue/voices.json", _parses(Catalogue)),
    _kind("proofs/[0-9a-f]{32}", lambda key, objects: objects[key] in (b"first", b"second", b"third", b"fourth")),
)
