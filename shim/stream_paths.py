"""Where a stream is found on this server."""

from __future__ import annotations

from shim.callers import Caller
from shim.files import PREFIX
from shim.links import Links


def stream_path(stream_id: str) -> str:
    """Of the video as one endless file."""
    return f"{PREFIX}/stream/{stream_id}"


def hls_path(stream_id: str) -> str:
    """Of the video as an HLS playlist."""
    return f"{stream_path(stream_id)}/index.m3u8"


def stream_headers(stream_id: str, links: Links, caller: Caller) -> dict[str, str]:
    """What tells the client of a stream that is being made where else to find it."""
    return {
        "X-Job-Id": stream_id,
        "X-Stream-Url": links.address(stream_path(stream_id), caller),
        "X-Hls-Url": links.address(hls_path(stream_id), caller),
    }
