"""Sentences: cut where a reader would, never too long, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.speech.sentences import pack_sentences, split_sentences

PROSE = st.text(alphabet="ab1 .,!?…\n。！，—é\u0301😀\u200d\"')", max_size=120)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you? Fine!", ("Hello there.", "How are you?", "Fine!")),
        ("Dr. Smith met Mrs. Jones at 5 p.m. on Monday.", ("Dr. Smith met Mrs. Jones at 5 p.m. on Monday.",)),
        ("J. R. R. Tolkien wrote it. I read it.", ("J. R. R. Tolkien wrote it.", "I read it.")),
        ("Pi is 3.14, or 3.1416. Good.", ("Pi is 3.14, or 3.1416.", "Good.")),
        ("Use e.g. this one, i.e. that. Done.", ("Use e.g. this one, i.e. that.", "Done.")),
        ("Well… maybe... not. Yes… No.", ("Well… maybe... not.", "Yes…", "No.")),
        ('He said "Stop!" Then he left.', ('He said "Stop!"', "Then he left.")),
        ("你好。你吃了吗？吃了！", ("你好。", "你吃了吗？", "吃了！")),
        ("「行くよ。」と言った。", ("「行くよ。」", "と言った。")),
        ("Title\n\nbody starts here\nand goes on", ("Title", "body starts here\nand goes on")),
        ("First line\nSecond line", ("First line", "Second line")),
        ("Wait ... . ! What", ("Wait ... . !", "What")),
        ("no end", ("no end",)),
        ("", ()),
        (" \n ", ()),
    ],
)
def test_sentences_are_those_of_a_reader(text: str, sentences: tuple[str, ...]) -> None:
    assert split_sentences(text, 100) == sentences


def test_a_long_sentence_is_cut_behind_a_clause() -> None:
    assert split_sentences("One two three four, five six seven eight", 25) == (
        "One two three four,",
        "five six seven eight",
    )


def test_without_a_clause_it_is_cut_between_words() -> None:
    assert split_sentences("alpha beta gamma delta", 12) == ("alpha beta", "gamma delta")


def test_a_number_is_not_a_clause() -> None:
    assert split_sentences("about 1,234,567 people", 15) == ("about 1,234,567", "people")


def test_a_very_long_word_is_cut_and_keeps_its_accents() -> None:
    word = "e\u0301" * 50
    pieces = split_sentences(word, 7)
    assert "".join(pieces) == word
    assert all(len(piece) <= 7 and piece[0] == "e" for piece in pieces)


@settings(max_examples=200, deadline=None)
@given(text=PROSE, limit=st.integers(1, 40))
def test_no_text_is_lost_and_no_piece_is_too_long(text: str, limit: int) -> None:
    for cut in (split_sentences, pack_sentences):
        pieces = cut(text, limit)
        assert "".join("".join(pieces).split()) == "".join(text.split())
        assert all(piece == piece.strip() and 1 <= len(piece) <= limit for piece in pieces)


def test_packing_keeps_sentences_whole_and_fills_the_limit() -> None:
    text = "One one. Two two.  Three three. Four."
    assert pack_sentences(text, 18) == ("One one. Two two.", "Three three. Four.")
    assert pack_sentences(text, 100) == (text,)
