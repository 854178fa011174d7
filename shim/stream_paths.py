"""Where a stream is found on this server."""

from __future__ import annotations

from shim.files import PREFIX


def stream_url(stream_id: str) -> str:
    """The path of the video as one endless file."""
    return f"{PREFIX}/stream/{stream_id}"


def hls_url(stream_id: str) -> str:
    """The path of the video as an HLS playlist."""
    return f"{stream_url(stream_id)}/index.m3u8"


def stream_headers(stream_id: str) -> dict[str, str]:
    """What tells the client of a stream that is being made where else to find it."""
    return {"X-Job-Id": stream_id, "X-Stream-Url": stream_url(stream_id), "X-Hls-Url": hls_url(stream_id)}
