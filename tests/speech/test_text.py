"""What may be spoken, and what a caller is told about the rest."""

from __future__ import annotations

import pytest

from engine.errors import InvalidText, TextTooLong
from engine.speech.text import speakable_text, spoken_text


@pytest.mark.parametrize("text", ["Hello.", "你好", "42", "line\none\ttwo\r\n", "ok 👍"])
def test_ordinary_texts_pass(text: str) -> None:
    assert spoken_text(text, 100) == text.strip()


def test_text_is_composed_and_trimmed() -> None:
    assert spoken_text("  cafe\u0301 ", 10) == "caf\u00e9"


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_empty_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidText, match="empty"):
        spoken_text(text, 10)


@pytest.mark.parametrize("text", ["...", "!?", "😀 🎉", "— – -", "$ %"])
def test_texts_without_letter_or_digit_are_refused(text: str) -> None:
    with pytest.raises(InvalidText, match="no letter"):
        spoken_text(text, 10)


@pytest.mark.parametrize(("text", "code"), [("ab\x00c", "U+0000"), ("ab\x1bc", "U+001B"), ("ab\x85c", "U+0085")])
def test_control_characters_are_named_with_their_position(text: str, code: str) -> None:
    with pytest.raises(InvalidText) as refused:
        spoken_text(text, 10)
    assert code in refused.value.message
    assert "position 2" in refused.value.message


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidText, match="position 3"):
        spoken_text("abc\ud83d", 10)


def test_the_limit_is_exact_and_both_numbers_are_told() -> None:
    assert spoken_text("a" * 20, 20) == "a" * 20
    with pytest.raises(TextTooLong) as refused:
        spoken_text("a" * 21, 20)
    assert "21" in refused.value.message
    assert "20" in refused.value.message


def test_the_limit_counts_composed_characters() -> None:
    assert len(spoken_text("e\u0301" * 20, 20)) == 20


def test_speakable_text_has_no_limit() -> None:
    assert len(speakable_text("word " * 10_000)) == 49_999
