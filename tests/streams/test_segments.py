"""Fragments cut into segments: nothing lost, nothing moved, a keyframe first."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.streams.fragment import PICTURE_TRACK, Span, span_of
from engine.streams.segments import FIRST_FRAMES, FRAMES, CutSegment, SegmentCutter
from tests.streams.film import Film

NOT_A_KEYFRAME, KEYFRAME = 0x01010000, 0x02000000


def box(kind: bytes, *numbers: int | bytes) -> bytes:
    content = b"".join(n if isinstance(n, bytes) else n.to_bytes(4, "big") for n in numbers)
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def fragment(frames: int, keyframe: bool, *, track: int = PICTURE_TRACK) -> bytes:
    """A fragment as the muxer makes them: the track's flags are those of other pictures, the first has its own."""
    own = KEYFRAME if keyframe else NOT_A_KEYFRAME
    tfhd = box(b"tfhd", 0x020038, track, 512, 100, NOT_A_KEYFRAME)
    runs = [box(b"trun", 0x000205, frames, 0, own, *range(frames))] if frames else []
    sound = box(b"traf", box(b"tfhd", 0x020000, 2), box(b"trun", 0x000201, 9, 0, *range(9)))
    traf = [box(b"traf", tfhd, *runs)] if frames else []
    return box(b"moof", box(b"mfhd", 0, 1), *traf, sound) + box(b"mdat", b"picture")


def cut(fragments: list[bytes]) -> list[CutSegment]:
    cutter = SegmentCutter()
    return [segment for piece in fragments for segment in cutter.push(piece)] + cutter.finish()


def test_what_a_fragment_of_the_encoder_holds_is_read_from_its_header(six_seconds: Film) -> None:
    init, *fragments = six_seconds.pieces
    for piece in fragments:
        with av.open(io.BytesIO(init + piece), "r") as file:
            found = [packet.is_keyframe for packet in file.demux(video=0) if packet.size]
        assert span_of(piece) == Span(len(found), found[0])
    assert sum(span_of(piece).frames for piece in fragments) == 148


@pytest.mark.parametrize(
    ("tfhd", "trun", "keyframe"),
    [
        ((0x020000,), (0x4, 3, KEYFRAME), True),
        ((0x020000,), (0x5, 3, 99, NOT_A_KEYFRAME), False),
        ((0x020000,), (0x701, 1, 99, 512, 7, KEYFRAME), True),
        ((0x020000,), (0x600, 1, 7, NOT_A_KEYFRAME), False),
        ((0x020020, KEYFRAME), (0x200, 1, 7), True),
        ((0x02003A, 1, 512, 7, NOT_A_KEYFRAME), (0x200, 1, 7), False),
    ],
)
def test_a_keyframe_is_found_wherever_its_flags_stand(
    tfhd: tuple[int, ...], trun: tuple[int, ...], keyframe: bool
) -> None:
    says, *fields = tfhd
    track = box(b"traf", box(b"tfhd", says, PICTURE_TRACK, *fields), box(b"trun", *trun))
    assert span_of(box(b"moof", box(b"mfhd", 0, 1), track)) == Span(trun[1], keyframe)


def test_sound_alone_has_no_frames() -> None:
    assert span_of(fragment(0, keyframe=False)) == Span(0, keyframe=False)


@pytest.mark.parametrize(
    "data", [b"\0\0\0\7moof", b"\0" * 8, box(b"moof", box(b"traf", box(b"tfhd", 0, 1), box(b"trun", 0, 1)))]
)
def test_what_is_no_fragment_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        span_of(data)


def test_the_first_segment_is_short_and_the_others_are_two_seconds(six_seconds: Film) -> None:
    segments = cut(six_seconds.pieces[1:])
    assert [segment.seconds for segment in segments] == [1.0, 2.0, 2.0, 0.92]
    for segment in segments:
        with av.open(io.BytesIO(six_seconds.pieces[0] + segment.data), "r") as file:
            assert sum(1 for _ in file.decode(video=0)) == segment.frames


def test_no_fragments_make_no_segment() -> None:
    assert cut([]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_nothing_is_lost_and_every_segment_begins_with_a_keyframe(spans: list[tuple[int, bool]]) -> None:
    fragments = [fragment(frames, keyframe and frames > 0) for frames, keyframe in spans]
    segments = cut(fragments)
    assert b"".join(segment.data for segment in segments) == b"".join(fragments)
    assert sum(segment.frames for segment in segments) == sum(frames for frames, _ in spans)
    assert all(span_of(segment.data).keyframe for segment in segments[1:])
    for number, segment in enumerate(segments[:-1]):
        assert segment.frames >= (FRAMES if number else FIRST_FRAMES)


@given(st.integers(1, 80))
def test_with_a_keyframe_a_second_no_segment_is_longer_than_two(count: int) -> None:
    segments = cut([fragment(5, number % 5 == 0) for number in range(count)])
    assert [segment.frames for segment in segments[:-1]] == [FIRST_FRAMES, *[FRAMES] * (len(segments) - 2)][
        : len(segments) - 1
    ]
    assert segments[-1].frames <= FRAMES
