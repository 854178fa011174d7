"""The lines of ``stream/with-timestamps``: sound in base64 with the times of the text's characters."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.speech.elevenlabs_failures import damaged
from engine.speech.text import has_speech
from engine.speech.voice import Samples, Word

_LONGEST_LINE = 32_000_000


class Alignment(BaseModel):
    """When each character sounds, in seconds from the beginning of the request's sound."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    characters: tuple[str, ...] = ()
    starts: tuple[float, ...] = Field((), alias="character_start_times_seconds")
    ends: tuple[float, ...] = Field((), alias="character_end_times_seconds")

    @model_validator(mode="after")
    def _of_one_length(self) -> Alignment:
        if not len(self.characters) == len(self.starts) == len(self.ends):
            raise ValueError("characters and times differ in number")
        return self


class _Line(BaseModel):
    audio_base64: str | None
    alignment: Alignment | None = None


@dataclass(frozen=True)
class TimedSound:
    """One line: 16-bit little-endian samples, perhaps cut within one, and the characters timed by it."""

    pcm: bytes
    alignment: Alignment


class LineSplitter:
    """Bytes as they come into whole lines."""

    def __init__(self) -> None:
        self._open: list[bytes] = []
        self._open_bytes = 0

    def push(self, received: bytes) -> Iterator[bytes]:
        """The lines that are complete now, without blank ones. Raises Failed for a line that never ends."""
        *ended, rest = received.split(b"\n")
        for end in ended:
            line = b"".join([*self._open, end])
            self._open, self._open_bytes = [], 0
            if line.strip():
                yield line
        self._open.append(rest)
        self._open_bytes += len(rest)
        if self._open_bytes > _LONGEST_LINE:
            raise damaged("a line is too long")

    def finish(self) -> Iterator[bytes]:
        """The last line, if nothing ended it."""
        line = b"".join(self._open)
        if line.strip():
            yield line


def read_line(line: bytes) -> TimedSound:
    """Raises Failed for a line that is not what the service promises."""
    try:
        parsed = _Line.model_validate_json(line)
        pcm = binascii.a2b_base64(parsed.audio_base64 or "", strict_mode=True)
    except ValidationError as error:
        # Its own text would quote the line.
        raise damaged(f"a line can't be read ({error.errors()[0]['type']})") from None
    except ValueError:
        raise damaged("a line's sound is not base64") from None
    return TimedSound(pcm, parsed.alignment or Alignment())


class SampleReader:
    """Bytes of 16-bit sound into whole samples."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, pcm: bytes) -> Samples:
        received = self._rest + pcm
        whole = len(received) // 2 * 2
        self._rest = received[whole:]
        return np.frombuffer(received[:whole], "<i2").astype(np.int16)


class WordReader:
    """Timed characters into words: what stands between white space, with lone punctuation on the word before.

    Times come out in order and from ``offset`` on, where the request's sound begins in the whole.
    """

    def __init__(self, offset: float) -> None:
        self._latest = offset
        self._offset = offset
        self._word: Word | None = None
        self._before: Word | None = None

    def push(self, alignment: Alignment) -> tuple[Word, ...]:
        """The words that are complete now."""
        complete: list[Word] = []
        for character, start, end in zip(alignment.characters, alignment.starts, alignment.ends, strict=True):
            if character.isspace():
                complete += self._close_word()
            elif character:
                self._extend_word(character, start, end)
        return tuple(complete)

    def finish(self) -> tuple[Word, ...]:
        """The words that were still open."""
        last = [*self._close_word(), *([self._before] if self._before else [])]
        self._before = None
        return tuple(last)

    def _extend_word(self, character: str, start: float, end: float) -> None:
        begin = max(self._latest, self._offset + start)
        self._latest = max(begin, self._offset + end)
        word = self._word or Word("", begin, begin)
        self._word = Word(word.text + character, word.start, self._latest)

    def _close_word(self) -> list[Word]:
        word, self._word = self._word, None
        before = self._before
        if word is None:
            return []
        if before is not None and not (has_speech(word.text) and has_speech(before.text)):
            self._before = Word(f"{before.text} {word.text}", before.start, word.end)
            return []
        self._before = word
        return [] if before is None else [before]
