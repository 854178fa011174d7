"""What files say of themselves, read by the product's own readers: bundles, captions, streams."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.avatar.manifest import FRAMES, TRACK, Manifest
from engine.avatar.track_file import TrackShape, read_track
from engine.errors import BundleDamaged
from engine.schemas import WordTime
from engine.streams.layout import RunKeys, StreamState
from engine.video.intra import FrameDamaged, IntraReader
from tests.chaos.media import video_frames


def opens(manifest: Manifest, objects: Mapping[str, bytes]) -> bool:
    """Whether every frame of the bundle can be drawn on: its track fits it, and each picture decodes."""
    with TemporaryDirectory(prefix="bundle-") as folder:
        for name in (FRAMES, TRACK):
            (Path(folder) / name).write_bytes(objects.get(manifest.part_key(name), b""))
        shape = TrackShape(manifest.frames, manifest.width, manifest.height, manifest.parts[FRAMES].bytes)
        try:
            _, index = read_track(Path(folder) / TRACK, shape, manifest.face.face())
            with IntraReader(Path(folder) / FRAMES, index) as frames:
                return sum(1 for _ in frames) == manifest.frames
        except (BundleDamaged, FrameDamaged):
            return False


def spells(captions: bytes, words: tuple[WordTime, ...]) -> bool:
    """Whether WebVTT or SubRip has these words, and no others. Where lines and cues end is of no account."""
    text = captions.decode(errors="replace")
    if text.startswith("WEBVTT"):
        text = html.unescape(text)
    cues = (block.partition("-->")[2].partition("\n")[2] for block in text.split("\n\n"))
    return _letters("".join(cues)) == _letters("".join(word.text for word in words))


def stream_frames(stream_id: str, state: StreamState, objects: Mapping[str, bytes]) -> tuple[int, int]:
    """Frames of a stream that is done: as a relay gives them, part by part, and as players take them by segments."""
    keys = RunKeys(stream_id, state.run)
    parts = [keys.part(number) for number in range(state.parts or 0)]
    segments = [keys.segment(number) for number in range(len(state.segments))]
    relayed, played = (
        video_frames(b"".join(objects.get(key, b"") for key in (keys.init, *pieces))) for pieces in (parts, segments)
    )
    return relayed, played


def playlist_is_whole(stream_id: str, state: StreamState, objects: Mapping[str, bytes]) -> bool:
    """Whether the playlist lists the segments of a stream that is done, and then ends."""
    lines = objects.get(RunKeys(stream_id, state.run).playlist, b"").decode(errors="replace").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    return listed == [each.url for each in state.segments] and lines[-1:] == ["#EXT-X-ENDLIST"]


def _letters(text: str) -> str:
    return "".join(text.split())
