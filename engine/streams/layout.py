"""Where a stream lies in the store, and what is said of it there.

    streams/{id}/stream.json              StreamState: which run makes the video, and what of it is there
    streams/{id}/{run}/init.mp4           ftyp and moov
    streams/{id}/{run}/part-00000.m4s     fragments of 200 ms (moof and mdat), one or several together
    streams/{id}/{run}/segment-00000.m4s  the same fragments once more, a second or two together, keyframe first
    streams/{id}/{run}/index.m3u8         the segments as an HLS playlist, with addresses that need no secret

A stream's id is its job's record id. init.mp4 with all parts behind it, or with all segments, is the whole video.

Part n is there before part n + 1 is written, and init.mp4 before part 0: who wants the video as early as it is there
asks for one key after the other. Where the next part is missing, ``stream.json`` says whether another will come: not
if it is ``done`` with as many parts, if it has ``failed``, if it names another ``run``, which has begun the video anew
and removes what this one had made, or if it is gone, as with a deleted session. A worker that dies leaves ``running``:
the job's record tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

FOLDER = "streams"

MEDIA_TYPE = "video/mp4"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"


def stream_folder(stream_id: str) -> str:
    """What the keys of all of a stream's objects begin with."""
    return f"{FOLDER}/{stream_id}/"


def state_key(stream_id: str) -> str:
    """The key of the stream's StreamState, as JSON."""
    return f"{FOLDER}/{stream_id}/stream.json"


@dataclass(frozen=True)
class RunKeys:
    """The keys of what one run of a stream's job has stored."""

    stream_id: str
    run: str

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.stream_id}/{self.run}/"

    @property
    def init(self) -> str:
        return f"{self.folder}init.mp4"

    @property
    def playlist(self) -> str:
        return f"{self.folder}index.m3u8"

    def part(self, number: int) -> str:
        """Counted from 0."""
        return f"{self.folder}part-{number:05}.m4s"

    def segment(self, number: int) -> str:
        """Counted from 0."""
        return f"{self.folder}segment-{number:05}.m4s"


class Segment(BaseModel):
    """A finished piece of the stream that begins with a keyframe. ``url`` is an address, or a path where the store
    is a folder."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    url: str


class StreamState(BaseModel):
    """What ``stream.json`` says: enough to follow the stream by plain HTTP. Everything that it lists is there.

    It is written anew with every segment, so a client asks for it once a second, and fetches ``init_url`` and then
    the segments that it has not fetched yet. ``hls_url`` is the same as a playlist. It is there from the beginning,
    and empty until the first segment: a player that gives up on an empty one, as FFmpeg does, waits until ``init_url``
    is there. The addresses need no secret and work as long as all that the store gives out.

    run: the run of the job that makes the video; objects lie in its folder.
    parts: how many parts there are in all, once the state is ``done``.
    init_url: there as soon as there is a segment.
    failed: nothing of the video is left, and nothing will come from this run.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    state: Literal["running", "done", "failed"]
    parts: int | None = None
    hls_url: str | None = None
    init_url: str | None = None
    segments: tuple[Segment, ...] = ()
