"""From the marks that a voice sets in its text to the times of whole words.

A word is what stands between two white spaces, its punctuation included; punctuation that stands alone belongs to
the word before it. So the words, joined, are the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.speech.text import has_speech
from engine.speech.voice import Word

_NOT_SPACE = re.compile(r"\S+")


@dataclass(frozen=True)
class Mark:
    """The sound of the character at ``position`` in the text begins at ``seconds``."""

    position: int
    seconds: float


@dataclass(frozen=True)
class WrittenWord:
    """A word as it stands in the text at [start, stop)."""

    text: str
    start: int
    stop: int


def written_words(text: str) -> tuple[WrittenWord, ...]:
    """The words of a text, in order."""
    spans: list[tuple[int, int]] = []
    for match in _NOT_SPACE.finditer(text):
        if spans and not (has_speech(match[0]) and has_speech(text[slice(*spans[-1])])):
            spans[-1] = (spans[-1][0], match.end())
        else:
            spans.append(match.span())
    return tuple(WrittenWord(text[start:stop], start, stop) for start, stop in spans)


def words_from_marks(text: str, marks: Sequence[Mark], end: float) -> tuple[Word, ...]:
    """Word times where each word lasts until the next one begins, and the last one until ``end``.

    A voice that runs words together ("one of the") marks the first of them only: the rest share its time by their
    length in characters. Marks beyond ``end`` or out of order are moved to the nearest time that is neither.
    """
    written = written_words(text)
    starts = _known_starts(written, marks, end)
    times = [*_filled(written, starts, end), end]
    return tuple(Word(word.text, begin, stop) for word, begin, stop in zip(written, times[:-1], times[1:], strict=True))


def _known_starts(written: Sequence[WrittenWord], marks: Sequence[Mark], end: float) -> list[float | None]:
    starts: list[float | None] = []
    latest = 0.0
    for word in written:
        mark = next((mark for mark in marks if word.start <= mark.position < word.stop), None)
        if mark is not None:
            latest = min(max(mark.seconds, latest), end)
        starts.append(None if mark is None else latest)
    return starts


def _filled(written: Sequence[WrittenWord], starts: Sequence[float | None], end: float) -> list[float]:
    """The starts, with the unknown ones laid between their neighbours by the lengths of the words."""
    filled = [start if start is not None else 0.0 for start in starts]
    first = 0
    while first < len(starts):
        last = first + 1
        while last < len(starts) and starts[last] is None:
            last += 1
        until = end if last == len(starts) else filled[last]
        filled[first:last] = _shared(filled[first], until, [len(word.text) for word in written[first:last]])
        first = last
    return filled


def _shared(start: float, end: float, lengths: Sequence[int]) -> list[float]:
    total = sum(lengths)
    return [start + (end - start) * sum(lengths[:index]) / total for index in range(len(lengths))]
