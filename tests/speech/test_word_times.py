"""Word times made of a voice's marks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.speech.voice import Word
from engine.speech.word_times import Mark, words_from_marks, written_words


def test_punctuation_stays_with_its_word() -> None:
    words = [word.text for word in written_words('— "Hello" , world ! Yes')]
    assert words == ['— "Hello" ,', "world !", "Yes"]


def test_a_word_lasts_until_the_next_begins() -> None:
    assert words_from_marks("one two", [Mark(0, 0.1), Mark(4, 0.5)], 0.9) == (
        Word("one", 0.1, 0.5),
        Word("two", 0.5, 0.9),
    )


def test_several_marks_in_one_word_are_one_word() -> None:
    marks = [Mark(0, 0.0), Mark(3, 0.4), Mark(4, 0.9), Mark(4, 1.2), Mark(8, 2.0)]
    assert words_from_marks("in 2026 yes", marks, 2.5) == (
        Word("in", 0.0, 0.4),
        Word("2026", 0.4, 2.0),
        Word("yes", 2.0, 2.5),
    )


def test_words_run_together_share_their_time_by_length() -> None:
    words = words_from_marks("of the best", [Mark(0, 1.0), Mark(7, 2.0)], 3.0)
    assert [(word.start, word.end) for word in words] == [(1.0, 1.4), (1.4, 2.0), (2.0, 3.0)]


def test_a_text_without_marks_is_shared_out() -> None:
    assert words_from_marks("ab cd", [], 2.0) == (Word("ab", 0.0, 1.0), Word("cd", 1.0, 2.0))


@given(
    text=st.text(alphabet="ab ,.é😀\n", max_size=30),
    marks=st.lists(st.builds(Mark, st.integers(-2, 35), st.floats(-1, 9)), max_size=8),
    end=st.floats(0, 8),
)
def test_times_are_ordered_and_the_words_are_the_text(text: str, marks: list[Mark], end: float) -> None:
    words = words_from_marks(text, marks, end)
    assert " ".join(word.text for word in words).split() == text.split()
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= time <= end for time in times)
