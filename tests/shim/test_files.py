"""Generated files: names, types, ranges, conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server


@dataclass(frozen=True)
class Video:
    """A generate's reply and the bytes of its video."""

    reply: dict[str, Any]
    body: bytes

    @property
    def url(self) -> str:
        return str(self.reply["video_url"])

    @property
    def size(self) -> int:
        return len(self.body)


@pytest.fixture(scope="module")
def video(server: Server) -> Video:
    body = {"session_id": server.ready(), "text": "Good morning, and welcome."}
    reply = server.http.post("/api/v1/generate/text-to-video", json=body).json()
    return Video(reply, server.http.get(reply["video_url"]).content)


def test_every_file_has_its_type_and_is_the_same_for_head(server: Server, video: Video) -> None:
    types = {
        "video_url": "video/mp4",
        "audio_url": "audio/mpeg",
        "captions_url": "text/vtt; charset=utf-8",
        "subtitles_url": "application/x-subrip; charset=utf-8",
        "thumbnail_url": "image/jpeg",
    }
    for field, content_type in types.items():
        got = server.http.get(video.reply[field])
        head = server.http.head(video.reply[field])
        assert got.status_code == head.status_code == 200
        assert got.headers["content-type"] == content_type
        assert int(got.headers["content-length"]) == len(got.content) > 50
        assert head.content == b""
        same = ("content-type", "content-length", "etag", "last-modified", "accept-ranges", "content-disposition")
        assert [head.headers[name] for name in same] == [got.headers[name] for name in same]
        assert got.headers["accept-ranges"] == "bytes"
        assert got.headers["content-disposition"].startswith("inline")


def test_captions_come_in_both_forms(server: Server, video: Video) -> None:
    assert server.http.get(video.reply["captions_url"]).text.startswith("WEBVTT")
    subtitles = server.http.get(video.reply["subtitles_url"]).text
    assert subtitles.startswith("1\n00:00:00,")
    assert "Good morning" in subtitles


def test_download_saves_under_the_name(server: Server, video: Video) -> None:
    reply = server.http.get(video.url, params={"download": "1"})
    assert reply.headers["content-disposition"] == f'attachment; filename="{video.url.rpartition("/")[2]}"'
    assert reply.content == video.body


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=0-99999999999999999999", 0, None),
        ("bytes=-99999999999999999999", 0, None),
        ("Bytes = 5-9", 5, 10),
        ("bytes=5-9,", 5, 10),
    ],
)
def test_a_range_is_206(server: Server, video: Video, asked: str, start: int, end: int | None) -> None:
    reply = server.http.get(video.url, headers={"Range": asked})
    expected = video.body[start:end]
    first = start % video.size
    assert reply.status_code == 206
    assert reply.content == expected
    assert reply.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{video.size}"
    assert int(reply.headers["content-length"]) == len(expected)
    assert reply.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_without_a_byte_is_416(server: Server, video: Video, asked: str) -> None:
    reply = server.http.get(video.url, headers={"Range": asked.format(size=video.size)})
    error_of(reply, 416, "range_not_satisfiable")
    assert reply.headers["content-range"] == f"bytes */{video.size}"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=9-5",
        "bytes=a-b",
        "bytes=",
        "bytes",
        "seconds=0-1",
        "bytes=0-1,5-6",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=٣-٤",
    ],
)
def test_what_is_no_single_range_gets_the_whole_file(server: Server, video: Video, asked: str) -> None:
    reply = server.http.get(video.url, headers=[(b"Range", asked.encode())])
    assert reply.status_code == 200
    assert reply.content == video.body


def test_head_knows_no_ranges(server: Server, video: Video) -> None:
    reply = server.http.head(video.url, headers={"Range": "bytes=0-9"})
    assert reply.status_code == 200
    assert int(reply.headers["content-length"]) == video.size


def test_if_range_lets_only_the_same_version_be_resumed(server: Server, video: Video) -> None:
    headers = server.http.head(video.url).headers
    for same in (headers["etag"], headers["last-modified"]):
        reply = server.http.get(video.url, headers={"Range": "bytes=0-9", "If-Range": same})
        assert (reply.status_code, reply.content) == (206, video.body[:10])
    for other in ('"other"', f"W/{headers['etag']}", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"):
        reply = server.http.get(video.url, headers={"Range": "bytes=0-9", "If-Range": other})
        assert (reply.status_code, reply.content) == (200, video.body)


def test_a_version_that_the_client_has_is_304(server: Server, video: Video) -> None:
    headers = server.http.head(video.url).headers
    etag, modified = headers["etag"], headers["last-modified"]
    for condition in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"x", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
        {"If-None-Match": etag, "Range": "bytes=99999999-"},
    ):
        reply = server.http.get(video.url, headers=condition)
        assert (reply.status_code, reply.content) == (304, b"")
        assert reply.headers["etag"] == etag
    for condition in (
        {"If-None-Match": '"x"'},
        {"If-None-Match": '"x"', "If-Modified-Since": modified},
        {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If-Modified-Since": "nonsense"},
    ):
        assert server.http.get(video.url, headers=condition).status_code == 200


def test_no_other_name_leads_to_a_file(server: Server, video: Video) -> None:
    job = video.reply["job_id"]
    names = (
        f"video/audio_{job}.mp3",
        f"video/output_{job}.mp3",
        f"video/output_{job}.mp4.json",
        f"video/output_{job}",
        "video/output_12345.mp4",
        "video/output_.mp4",
        f"video/output_{'x' * 65}.mp4",
        f"audio/output_{job}.mp4",
        f"captions/captions_{job}.txt",
        f"video/output_{job}.mp4%00",
        "video/..%5c..%5cjobs",
        f"video/{video.reply['video_key'].replace('/', '%5c')}",
    )
    for name in names:
        error_of(server.http.get(f"/api/v1/generate/{name}"), 404, "output_not_found")
    climbing = ("video/..%2f..%2fsecret", "video/%2e%2e/%2e%2e/etc/passwd", f"video/%2f{job}.mp4", f"video/{job}/")
    for name in (*climbing, f"video/output_{job}.mp4%0a"):
        error_of(server.http.get(f"/api/v1/generate/{name}"), 404, "not_found")
