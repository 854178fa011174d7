"""Files that are not what they should be, and files that reach out for others."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

import av
import pytest

from engine.cancel import CancelToken
from engine.errors import AudioUnreadable, AvatarTooLarge, AvatarTooLong, InputError, MediaUnreadable
from engine.media.frames import open_frames
from engine.media.sound import decode_sound
from tests.media.made import (
    MEDIA_LIMITS,
    SOUND_LIMITS,
    film,
    flat,
    gray,
    png_that_claims,
    read,
    recording,
    still,
    tone,
)


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path.parent) not in caught.value.message
    return caught.value


@pytest.mark.parametrize("content", [b"", b"this is text\n" * 50, bytes(5000), b"\0\0\0\x20ftypisom" + bytes(99)])
def test_what_is_not_media_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    error = refusal(path)
    assert isinstance(error, MediaUnreadable)
    assert "send" in error.message.lower()


def test_a_sound_given_as_avatar_is_told_so(tmp_path: Path) -> None:
    path = recording(tmp_path / "voice.mp3", [tone(0.5)], 48_000, "libmp3lame")
    error = refusal(path)
    assert isinstance(error, MediaUnreadable)
    assert "holds no picture" in error.message


def test_a_file_that_is_not_there_is_the_caller_of_the_functions_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.mp4")


def test_a_picture_under_64_pixels_is_too_small(tmp_path: Path) -> None:
    assert "64x64" in refusal(still(tmp_path / "small.png", flat(1, 2, 3, 100, 62))).message


def test_a_picture_of_64_pixels_is_not(tmp_path: Path) -> None:
    frames, _ = read(still(tmp_path / "small.png", flat(1, 2, 3, 64, 64)))
    assert len(frames) == 1


@pytest.mark.parametrize("side", [5_000, 50_000])
def test_a_decompression_bomb_is_too_large_and_never_unfolds(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(side, side))
    assert isinstance(refusal(path), AvatarTooLarge)


def test_too_many_pixels_too_many_bytes_too_many_seconds(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90)] * 50)
    with pytest.raises(AvatarTooLarge, match="pixels"):
        read(path, replace(MEDIA_LIMITS, max_pixels=100 * 96))
    with pytest.raises(AvatarTooLarge, match="bytes"):
        read(path, replace(MEDIA_LIMITS, max_bytes=100))
    with pytest.raises(AvatarTooLong, match="limit is 1"):
        read(path, replace(MEDIA_LIMITS, max_seconds=1))
    read(path, replace(MEDIA_LIMITS, max_seconds=2))


def test_a_length_that_no_header_tells_is_limited_all_the_same(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.h264", [gray(90)] * 50, container="h264")
    with pytest.raises(AvatarTooLong):
        read(path, replace(MEDIA_LIMITS, max_seconds=1))


def test_pixels_so_wide_that_the_squared_picture_is_too_large(tmp_path: Path) -> None:
    def widen(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4)

    path = film(tmp_path / "clip.mp4", [gray(90)] * 2, adjust=widen)
    with pytest.raises(AvatarTooLarge):
        read(path, replace(MEDIA_LIMITS, max_pixels=3 * 128 * 96))
    read(path, replace(MEDIA_LIMITS, max_pixels=4 * 128 * 96))


def test_a_file_cut_short_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", [gray(40 + number) for number in range(100)], options={"g": "10"})
    data = whole.read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: len(data) // 2])
    frames, info = read(path)
    assert 20 < len(frames) < 80
    assert any("ends earlier" in warning for warning in info.warnings)
    assert info.seconds == pytest.approx(len(frames) / 25, abs=0.1)


def test_a_damaged_middle_is_stepped_over(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mkv", [gray(40 + number) for number in range(50)], options={"g": "1", "qp": "0"})
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + 200] = bytes(200)
    path.write_bytes(data)
    frames, info = read(path)
    assert 45 <= len(frames) <= 50
    assert any("damaged" in warning for warning in info.warnings)


def test_an_mp4_without_its_index_is_unreadable(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", [gray(40)] * 20)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[:-200])
    assert isinstance(refusal(path), MediaUnreadable)


def test_an_mp4_without_any_stream_is_not_called_a_sound(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    index = struct.pack(">I4s", 8 + 108, b"moov") + struct.pack(">I4s", 108, b"mvhd") + bytes(100)
    path.write_bytes(struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"isom") + index)
    error = refusal(path)
    assert isinstance(error, MediaUnreadable)
    assert "holds no picture" in error.message


def test_a_codec_that_nobody_knows_is_unsupported(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90)] * 2)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert "unsupported kind" in refusal(path).message


def test_a_header_without_frames_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.write_bytes(png_that_claims(128, 96)[:45])
    assert isinstance(refusal(path), MediaUnreadable)


class Listening(ThreadingHTTPServer):
    """A web server on loopback that counts its visitors."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        super().__init__(("127.0.0.1", 0), _Visit)

    def get_request(self) -> tuple[socket, Any]:
        self.visits.append("connected")
        return super().get_request()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Visit(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Listening]:
    with Listening() as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def scripts(secret: str, address: str) -> dict[str, bytes]:
    """Files of formats that name other files, each naming ``secret`` or ``address``."""
    playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
    mpd = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 26\n"
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><image href="{}"/></svg>'
    return {
        "file.m3u8": playlist.format(secret).encode(),
        "web.m3u8": playlist.format(f"{address}/a.ts").encode(),
        "concat.txt": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "web.ffconcat": f"ffconcat version 1.0\nfile {address}/a.mp4\n".encode(),
        "dash.mpd": mpd.format(f"{address}/a.mp4").encode(),
        "session.sdp": sdp.encode(),
        "drawing.svg": svg.format(f"{address}/a.png").encode(),
        "imf.xml": f"<AssetMap><Path>{address}/a.mxf</Path></AssetMap>".encode(),
    }


@pytest.mark.parametrize("name", sorted(scripts("", "")))
def test_files_that_name_others_open_nothing(tmp_path: Path, server: Listening, name: str) -> None:
    secret = film(tmp_path / "secret.mp4", [gray(200)] * 5)
    path = tmp_path / name
    path.write_bytes(scripts(str(secret), server.address)[name])
    assert isinstance(refusal(path), MediaUnreadable)
    with pytest.raises(AudioUnreadable):
        decode_sound(path, tmp_path / "sound.pcm", SOUND_LIMITS, CancelToken())
    assert server.visits == []


def with_outside_data(movie: bytes, outside: bytes) -> bytes:
    """The movie, whose `dref` says that its data lie in another file (an `alis` record with an absolute path)."""
    place = movie.index(b"dref") - 4
    (size,) = struct.unpack(">I", movie[place : place + 4])
    record = bytearray(150)
    name = outside + bytes(len(outside) % 2)
    for kind, text in ((2, name), (18, name)):
        record += struct.pack(">hH", kind, len(text)) + text
    record += struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", len(record) + 12, b"alis", 0) + bytes(record)
    dref = struct.pack(">I4sII", len(entry) + 16, b"dref", 0, 1) + entry
    grown = len(dref) - size
    result = bytearray(movie[:place] + dref + movie[place + size :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = result.index(parent) - 4
        (old,) = struct.unpack(">I", result[at : at + 4])
        result[at : at + 4] = struct.pack(">I", old + grown)
    return bytes(result)


def without_its_data(movie: bytes) -> bytes:
    place = movie.index(b"mdat") - 4
    (size,) = struct.unpack(">I", movie[place : place + 4])
    return movie[: place + 8] + bytes(size - 8) + movie[place + size :]


def test_a_movie_whose_data_lie_elsewhere_reads_nothing_there(tmp_path: Path) -> None:
    secret = film(tmp_path / "secret.mov", [gray(200)] * 5)
    path = tmp_path / "movie.mov"
    path.write_bytes(without_its_data(with_outside_data(secret.read_bytes(), str(secret).encode())))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as tempted:
        assert len(list(tempted.decode(video=0))) == 5, "the bait is no bait"
    assert isinstance(refusal(path), MediaUnreadable)


def test_a_clip_that_is_only_opened_leaves_nothing_to_do(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90)] * 50)
    with open_frames(path, MEDIA_LIMITS, CancelToken()) as stream:
        assert stream.info.width == 128
