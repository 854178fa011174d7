"""Cutting a text into sentences, none longer than a voice takes at once.

Every sentence is a slice of the text; only white space lies between two of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from engine.speech.text import has_speech

_CLOSERS = "\"'”’)\\]»」』）"
_SENTENCE_END = re.compile(rf"(?P<stop>[.!?…]+)[{_CLOSERS}]*(?=\s)|[。！？]+[{_CLOSERS}]*|\n\s*\n|\n")
_CLAUSE_END = re.compile(r"[,;:—–](?=\s)|[、，；：]")
_NOT_SPACE = re.compile(r"\S")
_BEFORE_WORD = re.compile(r"[\s(\[\"'“‘]")
_INITIAL = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]$")
_ABBREVIATIONS = re.compile(
    "mr|mrs|ms|dr|prof|rev|hon|st|sr|jr|gen|col|maj|capt|lt|sgt|sen|rep|gov|nos?|vol|figs?|pp|eds?|vs|approx|ca|cf|al|"
    "dept|inc|ltd|co|corp|est|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Span:
    start: int
    stop: int


def split_sentences(text: str, limit: int) -> tuple[str, ...]:
    """The sentences of a text in order, each of 1 to ``limit`` characters.

    A longer sentence is cut behind a clause, else between words, else within a word. A stretch of punctuation
    belongs to the sentence before it where there is room.
    """
    return tuple(text[span.start : span.stop] for span in _sentence_spans(text, limit))


def pack_sentences(text: str, limit: int) -> tuple[str, ...]:
    """The text in as few pieces of whole sentences as a greedy walk finds, each of 1 to ``limit`` characters."""
    packed = _joined(_sentence_spans(text, limit), limit, _always)
    return tuple(text[span.start : span.stop] for span in packed)


def _sentence_spans(text: str, limit: int) -> tuple[_Span, ...]:
    whole = (_trimmed(text, span) for span in _between_ends(text))
    short = (part for span in whole if span.start < span.stop for part in _cut_to_limit(text, span, limit))
    return tuple(_joined(short, limit, partial(_belong_together, text)))


def _between_ends(text: str) -> Iterator[_Span]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if _ends_sentence(text, start, match):
            yield _Span(start, match.end())
            start = match.end()
    yield _Span(start, len(text))


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    stop = match["stop"]
    if stop is None and match[0] != "\n":
        return True
    if stop is not None and ("!" in stop or "?" in stop):
        return True
    following = _NOT_SPACE.search(text, match.end())
    if following is not None and following[0].islower():
        return False
    return stop != "." or not _is_abbreviation(text[start : match.start()])


def _is_abbreviation(before_stop: str) -> bool:
    word = _BEFORE_WORD.split(before_stop)[-1]
    return _ABBREVIATIONS.fullmatch(word) is not None or _INITIAL.fullmatch(word) is not None


def _trimmed(text: str, span: _Span) -> _Span:
    piece = text[span.start : span.stop]
    return _Span(span.stop - len(piece.lstrip()), span.start + len(piece.rstrip()))


def _cut_to_limit(text: str, span: _Span, limit: int) -> Iterator[_Span]:
    while span.stop - span.start > limit:
        cut = _best_cut(text, span.start, limit)
        yield _trimmed(text, _Span(span.start, cut))
        span = _trimmed(text, _Span(cut, span.stop))
    yield span


def _best_cut(text: str, start: int, limit: int) -> int:
    """Where to cut a stretch that has more than ``limit`` characters: start < cut <= start + limit."""
    window = text[start : start + limit + 1]
    clauses = [match.end() for match in _CLAUSE_END.finditer(window) if match.end() <= limit]
    # A clause in the first third would leave a stub that is heard as a stumble.
    if clauses and clauses[-1] > limit // 3:
        return start + clauses[-1]
    spaces = [match.start() for match in re.finditer(r"\s+", window) if match.start() > 0]
    return start + (spaces[-1] if spaces else _cut_within_word(window, limit))


def _cut_within_word(window: str, limit: int) -> int:
    cut = limit
    while cut > 1 and unicodedata.category(window[cut]) in ("Mn", "Mc", "Me", "Cf"):
        cut -= 1
    return cut if cut > 1 else limit


def _belong_together(text: str, first: _Span, second: _Span) -> bool:
    return not (has_speech(text[first.start : first.stop]) and has_speech(text[second.start : second.stop]))


def _always(_first: _Span, _second: _Span) -> bool:
    return True


def _joined(spans: Iterable[_Span], limit: int, may_join: Callable[[_Span, _Span], bool]) -> Iterator[_Span]:
    held: _Span | None = None
    for span in spans:
        if held is not None and span.stop - held.start <= limit and may_join(held, span):
            held = _Span(held.start, span.stop)
            continue
        if held is not None:
            yield held
        held = span
    if held is not None:
        yield held
