"""Captions from word times: cues of at most two lines of 42 characters and seven seconds.

A sentence's end or a pause ends a cue; a longer sentence is divided where it costs least (``_divided``). The
figures are those of broadcasters' subtitle guidelines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.speech.voice import Word

LINE_CHARACTERS = 42
CUE_CHARACTERS = 2 * LINE_CHARACTERS
CUE_SECONDS = 7.0
READABLE_SECONDS = 1.0
"""A cue stays at least so long where the next one leaves it room."""
PAUSE_SECONDS = 0.6
"""A silence between two words that ends a cue."""

_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLAUSE_ENDS = (*_SENTENCE_ENDS, ",", ";", ":", "–", "—", "，", "、", "；", "：")
_CLOSING = "\"'”’»)]}」』"
_CUE_COST = 1.0
_TORN_CLAUSE_COST = 0.25


@dataclass(frozen=True)
class Cue:
    """One or two lines shown together, in whole milliseconds, start < end."""

    start: int
    end: int
    lines: tuple[str, ...]


def webvtt(words: Sequence[Word]) -> str:
    """A WebVTT file of ``words``, which are in the order of their starts; without words a valid file without cues."""
    return "\n".join(["WEBVTT\n", *(_block(cue, ".", _escaped) for cue in cues(words))])


def srt(words: Sequence[Word]) -> str:
    """A SubRip file of ``words``, which are in the order of their starts; without words an empty one."""
    blocks = (f"{number}\n{_block(cue, ',', str)}" for number, cue in enumerate(cues(words), 1))
    return "\n".join(blocks)


def cues(words: Sequence[Word]) -> tuple[Cue, ...]:
    """The cues of ``words``, in order; none begins before the one before it has ended."""
    groups = [group for phrase in _phrases(_pieces(words)) for group in _divided(phrase)]
    starts = _rising([round(group[0].start * 1000) for group in groups])
    return tuple(
        Cue(start, _end(start, round(group[-1].end * 1000), limit), _lines(group))
        for group, start, limit in zip(groups, starts, [*starts[1:], None], strict=False)
    )


def _pieces(words: Iterable[Word]) -> Iterator[Word]:
    """The words without stray white space; one longer than a line in pieces of a line, each with its share of time."""
    for word in words:
        text = " ".join(word.text.split())
        for at in range(0, len(text), LINE_CHARACTERS):
            piece = text[at : at + LINE_CHARACTERS]
            rate = (word.end - word.start) / len(text)
            yield Word(piece, word.start + at * rate, word.start + (at + len(piece)) * rate)


def _phrases(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Runs of words that a pause, or the end of a sentence that lasted long enough to read, sets apart."""
    phrase: list[Word] = []
    for word in words:
        if phrase and _sets_apart(phrase, word):
            yield phrase
            phrase = []
        phrase.append(word)
    if phrase:
        yield phrase


def _sets_apart(phrase: Sequence[Word], following: Word) -> bool:
    last = phrase[-1]
    if following.start - last.end >= PAUSE_SECONDS:
        return True
    return _closes(last, _SENTENCE_ENDS) and following.start - phrase[0].start >= READABLE_SECONDS


def _divided(phrase: Sequence[Word]) -> list[Sequence[Word]]:
    """``phrase`` as cues: the fewest that hold it, filled evenly, divided after a clause where that is possible."""
    costs = [0.0]
    begins: list[int] = []
    for end in range(1, len(phrase) + 1):
        cost, begin = min((costs[begin] + _cost(phrase, begin, end), begin) for begin in _beginnings(phrase, end))
        costs.append(cost)
        begins.append(begin)
    groups: list[Sequence[Word]] = []
    end = len(phrase)
    while end:
        groups.append(phrase[begins[end - 1] : end])
        end = begins[end - 1]
    return groups[::-1]


def _beginnings(phrase: Sequence[Word], end: int) -> Iterator[int]:
    """Where a cue that ends before word ``end`` can begin; one word always fits."""
    for begin in range(end - 1, -1, -1):
        if begin < end - 1 and not _fits(phrase[begin:end]):
            return
        yield begin


def _fits(group: Sequence[Word]) -> bool:
    if group[-1].end - group[0].start > CUE_SECONDS or len(_text(group)) > CUE_CHARACTERS + 1:
        return False
    return max(map(len, _lines(group))) <= LINE_CHARACTERS


def _cost(phrase: Sequence[Word], begin: int, end: int) -> float:
    empty = 1 - len(_text(phrase[begin:end])) / CUE_CHARACTERS
    torn = end < len(phrase) and not _closes(phrase[end - 1], _CLAUSE_ENDS)
    return _CUE_COST + empty * empty + (_TORN_CLAUSE_COST if torn else 0.0)


def _lines(group: Sequence[Word]) -> tuple[str, ...]:
    """One line where it suffices, else two of the most even length."""
    text = _text(group)
    if len(text) <= LINE_CHARACTERS or len(group) == 1:
        return (text,)
    splits = ((_text(group[:at]), _text(group[at:])) for at in range(1, len(group)))
    return min(splits, key=lambda lines: max(map(len, lines)))


def _text(group: Iterable[Word]) -> str:
    return " ".join(word.text for word in group)


def _closes(word: Word, marks: tuple[str, ...]) -> bool:
    return word.text.rstrip(_CLOSING).endswith(marks)


def _rising(starts: Sequence[int]) -> list[int]:
    """``starts``, each at least a millisecond after the one before."""
    risen: list[int] = []
    for start in starts:
        risen.append(max(start, risen[-1] + 1) if risen else start)
    return risen


def _end(start: int, spoken: int, limit: int | None) -> int:
    """When a cue goes: after it was spoken and could be read, before the next one and within its seven seconds.

    The last cue (``limit`` None) isn't held for reading: the video may end with it.
    """
    if limit is None:
        return max(start + 1, min(spoken, start + round(CUE_SECONDS * 1000)))
    wanted = max(spoken, start + round(READABLE_SECONDS * 1000))
    return min(wanted, limit, start + round(CUE_SECONDS * 1000))


def _block(cue: Cue, decimal_mark: str, escape: Callable[[str], str]) -> str:
    times = f"{_clock(cue.start, decimal_mark)} --> {_clock(cue.end, decimal_mark)}"
    return "\n".join([times, *map(escape, cue.lines), ""])


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal_mark}{thousandths:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
