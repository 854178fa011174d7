"""Where a stream is found on this server."""

from __future__ import annotations

from shim.callers import Caller
from shim.files import PREFIX
from shim.links import Links


def stream_path(stream_id: str) -> str:
    """Of the video as one endless file."""
    return f"{PREFIX}/stream/{stream_id}"


def stream_addresses(stream_id: str, links: Links, caller: Caller) -> dict[str, str]:
    """The fields of a reply that say where its caller follows the video: as one file, and as an HLS playlist."""
    path = stream_path(stream_id)
    return {"stream_url": links.address(path, caller), "hls_url": links.address(f"{path}/index.m3u8", caller)}


def stream_headers(stream_id: str, links: Links, caller: Caller) -> dict[str, str]:
    """What tells the client of a stream that is being made where else to find it."""
    addresses = stream_addresses(stream_id, links, caller)
    return {"X-Job-Id": stream_id, "X-Stream-Url": addresses["stream_url"], "X-Hls-Url": addresses["hls_url"]}
