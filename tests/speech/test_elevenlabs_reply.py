"""Reading the reply's lines, samples and words, however they are cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.outages import TtsBroken
from engine.speech.elevenlabs_failures import Failed
from engine.speech.elevenlabs_reply import Alignment, LineSplitter, SampleReader, WordReader, read_line


def alignment(text: str, first: float = 0.0) -> Alignment:
    times = [first + 0.1 * index for index in range(len(text))]
    return Alignment(
        characters=tuple(text),
        character_start_times_seconds=tuple(times),
        character_end_times_seconds=tuple(time + 0.1 for time in times),
    )


@given(data=st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"\n")), cuts=st.lists(st.integers(0, 60)))
def test_lines_do_not_depend_on_how_they_arrive(data: bytes, cuts: list[int]) -> None:
    splitter = LineSplitter()
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    lines = [line for start, end in pairwise(edges) for line in splitter.push(data[start:end])]
    lines += splitter.finish()
    assert lines == [line for line in data.split(b"\n") if line.strip()]


def test_a_line_without_end_is_refused() -> None:
    splitter = LineSplitter()
    assert not [*splitter.push(b"x" * 32_000_000)]
    with pytest.raises(Failed):
        list(splitter.push(b"x"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"audio_base64": 3}',
        b'{"audio_base64": "A"}',
        b'{"audio_base64": "AA=A"}',
        b'{"audio_base64": "A!AA"}',
        b'{"audio_base64": "\xc3\xa9AAA"}',
        b'{"audio_base64": "AAAA", "alignment": {"characters": ["a"]}}',
        b'{"audio_base64": "AAAA", "alignment": {"characters": ["a"], "character_start_times_seconds": [NaN],'
        b' "character_end_times_seconds": [1]}}',
    ],
)
def test_a_damaged_line_is_told_without_quoting_it(line: bytes) -> None:
    with pytest.raises(Failed) as raised:
        read_line(line)
    assert type(raised.value.error) is TtsBroken


def test_a_line_is_sound_and_times() -> None:
    times = {"characters": ["a"], "character_start_times_seconds": [0], "character_end_times_seconds": [0.5]}
    read = read_line(json.dumps({"audio_base64": "AQID", "alignment": times, "normalized_alignment": 3}).encode())
    assert read.pcm == b"\x01\x02\x03"
    assert read.alignment.ends == (0.5,)


@pytest.mark.parametrize("sound", ["null", '""'])
def test_a_line_may_be_without_sound_and_times(sound: str) -> None:
    read = read_line(f'{{"audio_base64": {sound}, "alignment": null}}'.encode())
    assert (read.pcm, read.alignment.characters) == (b"", ())


def test_samples_may_be_cut_in_half() -> None:
    reader = SampleReader()
    samples = [int(sample) for pcm in (b"\x01", b"\x00\xff", b"\xff\x02\x01") for sample in reader.push(pcm)]
    assert samples == [1, -1, 0x0102]


def test_words_go_on_over_the_lines() -> None:
    reader = WordReader(2.0)
    assert reader.push(alignment("one tw")) == ()
    (first,) = reader.push(alignment("o — ", 0.6))
    assert first.text == "one"
    assert (first.start, first.end) == pytest.approx((2.0, 2.3))
    assert [word.text for word in reader.finish()] == ["two —"]
    assert reader.finish() == ()


@given(
    text=st.text(alphabet="ab ,é\n", max_size=30),
    times=st.lists(st.tuples(st.floats(-1, 9), st.floats(-1, 9)), min_size=30, max_size=30),
)
def test_words_are_the_text_and_their_times_never_go_back(text: str, times: list[tuple[float, float]]) -> None:
    reader = WordReader(1.0)
    starts, ends = zip(*times[: len(text)], strict=True) if text else ((), ())
    timed = Alignment(characters=tuple(text), character_start_times_seconds=starts, character_end_times_seconds=ends)
    words = [*reader.push(timed), *reader.finish()]
    assert " ".join(word.text for word in words).split() == text.split()
    flat = [time for word in words for time in (word.start, word.end)]
    assert flat == sorted(flat)
    assert all(time >= 1.0 for time in flat)
