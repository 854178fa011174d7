"""A stream as an HLS playlist."""

from __future__ import annotations

from collections.abc import Sequence

from engine.streams.layout import Segment

TARGET_SECONDS = 2
"""No segment is longer."""


def playlist(init_url: str | None, segments: Sequence[Segment], *, ended: bool) -> str:
    """The media playlist (RFC 8216, version 7 for fragmented MP4) of the segments that are there.

    It only ever grows (EVENT), and who joins late begins at its beginning all the same (EXT-X-START). ``init_url`` is
    None while there is no segment. Addresses may be relative to the playlist's own.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",
        *([] if init_url is None else [f'#EXT-X-MAP:URI="{init_url}"']),
        *(f"#EXTINF:{segment.seconds:.3f},\n{segment.url}" for segment in segments),
        *(["#EXT-X-ENDLIST"] if ended else []),
    ]
    return "\n".join(lines) + "\n"
