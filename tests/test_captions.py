"""Captions as a player reads them: the files are parsed back and held against the words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.captions import srt, webvtt
from engine.speech.voice import Word

LINE = 42
SECONDS = 7.0


@dataclass(frozen=True)
class Shown:
    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def _seconds(clock: str) -> float:
    found = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)[.,](\d{3})", clock)
    assert found, clock
    hours, minutes, seconds, thousandths = map(int, found.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _shown(block: str) -> Shown:
    times, *lines = block.split("\n")
    start, end = times.split(" --> ")
    return Shown(_seconds(start), _seconds(end), tuple(lines))


def read_webvtt(text: str) -> list[Shown]:
    header, *blocks = text.removesuffix("\n").split("\n\n") if "-->" in text else [text.removesuffix("\n")]
    assert header == "WEBVTT"
    shown = [_shown(block) for block in blocks]
    return [Shown(cue.start, cue.end, tuple(unescape(line) for line in cue.lines)) for cue in shown]


def read_srt(text: str) -> list[Shown]:
    shown = []
    for number, block in enumerate(text.removesuffix("\n").split("\n\n") if text else [], 1):
        label, _, rest = block.partition("\n")
        assert label == str(number)
        shown.append(_shown(rest))
    return shown


def spoken(text: str, start: float = 0.0, word: float = 0.3, gap: float = 0.05) -> list[Word]:
    return [
        Word(each, start + at * (word + gap), start + at * (word + gap) + word) for at, each in enumerate(text.split())
    ]


def test_a_short_sentence_is_one_cue_with_its_words_times() -> None:
    assert webvtt([Word("Hello", 0.25, 0.6), Word("there.", 0.7, 1.5)]) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\nHello there.\n"
    )


def test_subrip_has_numbers_and_commas() -> None:
    words = [Word("One.", 0.0, 1.2), Word("Two.", 3600.0, 3661.0345)]
    assert srt(words) == ("1\n00:00:00,000 --> 00:00:01,200\nOne.\n\n2\n01:00:00,000 --> 01:00:07,000\nTwo.\n")


@pytest.mark.parametrize("words", [[], [Word("", 0.0, 0.0)], [Word(" \n\t", 0.0, 1.0)]])
def test_without_words_the_files_are_valid_and_empty(words: list[Word]) -> None:
    assert webvtt(words) == "WEBVTT\n"
    assert srt(words) == ""


def test_a_sentence_end_begins_a_new_cue() -> None:
    shown = read_webvtt(webvtt(spoken("This is the first sentence. And “this is the second one.” Now a third.")))
    assert [cue.text for cue in shown] == [
        "This is the first sentence.",
        "And “this is the second one.”",
        "Now a third.",
    ]


def test_a_sentence_too_short_to_read_is_joined_with_the_next() -> None:
    shown = read_webvtt(webvtt(spoken("No. We never said anything like that.")))
    assert [cue.text for cue in shown] == ["No. We never said anything like that."]


def test_a_pause_begins_a_new_cue() -> None:
    words = [*spoken("wait a moment"), *spoken("and go", start=2.0)]
    assert [cue.text for cue in read_webvtt(webvtt(words))] == ["wait a moment", "and go"]


def test_a_long_sentence_is_divided_after_a_clause() -> None:
    text = (
        "When the sun had finally gone down behind the hills, the whole village came out to see the fires, "
        "and nobody wanted to go home."
    )
    shown = read_webvtt(webvtt(spoken(text, word=0.15)))
    assert len(shown) == 2
    assert shown[0].text.endswith(",")
    assert " ".join(cue.text for cue in shown) == text


def test_two_lines_are_of_even_length() -> None:
    (cue,) = read_webvtt(webvtt(spoken("aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj", word=0.1)))
    assert [len(line) for line in cue.lines] == [24, 24]


def test_markup_and_arrows_in_the_text_stay_text() -> None:
    file = webvtt([Word("<b>&amp;", 0.0, 0.5), Word("-->", 0.5, 1.5)])
    assert file.split("\n")[3] == "&lt;b&gt;&amp;amp; --&gt;"
    assert read_webvtt(file)[0].text == "<b>&amp; -->"


def test_line_breaks_inside_a_word_cannot_break_the_file() -> None:
    assert read_srt(srt([Word("a\n\nb\u2028c", 0.0, 1.0)]))[0].lines == ("a b c",)


def test_a_word_longer_than_a_line_is_cut_and_its_time_shared() -> None:
    shown = read_webvtt(webvtt([Word("x" * 210, 0.0, 5.0)]))
    assert [line for cue in shown for line in cue.lines] == ["x" * LINE] * 5
    assert [cue.start for cue in shown][:1] == [0.0]
    assert shown[-1].end == pytest.approx(5.0, abs=0.002)


def test_a_short_cue_stays_long_enough_to_read_where_there_is_room() -> None:
    first, _ = read_webvtt(webvtt([Word("Yes", 0.0, 0.2), Word("indeed.", 2.0, 2.5)]))
    assert (first.start, first.end) == (0.0, 1.0)


def test_the_last_cue_does_not_outlast_the_speech() -> None:
    assert read_webvtt(webvtt([Word("Yes.", 0.0, 0.2)]))[-1].end == 0.2


def test_a_long_text_without_a_full_stop_is_divided() -> None:
    shown = read_webvtt(webvtt(spoken("word " * 1_000)))
    assert sum(len(cue.text.split()) for cue in shown) == 1_000


_gaps = st.floats(0, 2)
_lengths = st.floats(0, 9)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


@st.composite
def _speeches(draw: st.DrawFn) -> list[Word]:
    words, now = [], 0.0
    for text in draw(st.lists(_texts, max_size=30)):
        start = now + draw(_gaps)
        now = start + draw(_lengths)
        words.append(Word(text, start, now))
    return words


@given(_speeches())
@settings(max_examples=60, deadline=None)
def test_whatever_is_said_the_cues_are_readable_and_complete(words: list[Word]) -> None:
    shown = read_webvtt(webvtt(words))
    for cue in shown:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= LINE for line in cue.lines)
        assert 0 < cue.end - cue.start <= SECONDS + 1e-9
    for before, after in pairwise(shown):
        assert before.end <= after.start
    said = "".join("".join(word.text.split()) for word in words)
    assert "".join("".join(line.split()) for cue in shown for line in cue.lines) == said
    assert [cue.lines for cue in read_srt(srt(words))] == [cue.lines for cue in shown]
