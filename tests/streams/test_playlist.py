"""The playlist as RFC 8216 has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.streams.layout import Segment
from engine.streams.playlist import TARGET_SECONDS, playlist

SEGMENTS = st.lists(
    st.builds(
        Segment, seconds=st.integers(1, 50).map(lambda frames: frames / 25), url=st.from_regex(r"\A[a-z./?&=-]+\Z")
    )
)


@given(SEGMENTS, st.booleans())
def test_every_segment_is_listed_in_order_with_its_length(segments: list[Segment], ended: bool) -> None:
    lines = playlist("init.mp4", segments, ended=ended).splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:7"]
    assert [line for line in lines if not line.startswith("#")] == [segment.url for segment in segments]
    lengths = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert lengths == [segment.seconds for segment in segments]
    assert all(round(length) <= TARGET_SECONDS for length in lengths)
    assert f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}" in lines
    for tag in ("#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS", '#EXT-X-MAP:URI="init.mp4"'):
        assert lines.count(tag) == 1
        assert lines.index(tag) < min((i for i, line in enumerate(lines) if line.startswith("#EXTINF")), default=99)
    assert (lines[-1] == "#EXT-X-ENDLIST") == ended


@given(SEGMENTS)
def test_it_only_grows(segments: list[Segment]) -> None:
    before, after = (playlist("init.mp4", listed, ended=False) for listed in (segments[:-1], segments))
    assert after.startswith(before)
    assert playlist("init.mp4", segments, ended=True).startswith(after)


def test_an_empty_one_names_no_init_segment() -> None:
    assert "#EXT-X-MAP" not in playlist(None, [], ended=False)
