"""What the decoding process and its parent say to each other: messages of a fixed prefix and a body.

A decoding process writes HEADER, then PICTURE or SOUND as often as needed, then END; or at any point
REFUSAL, and nothing after it. The child's side imports no more than av, so that it starts quickly.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance, ReadableBuffer

PREFIX = struct.Struct(">BII")
"""Kind, how many times a picture is shown, bytes of the body."""

LARGEST_JSON = 16_384
LARGEST_SOUND = 1 << 18


class Kind(IntEnum):
    HEADER = 1
    PICTURE = 2
    SOUND = 3
    END = 4
    REFUSAL = 5


class Reason(StrEnum):
    """Why a file is refused."""

    NOT_MEDIA = "not_media"
    NO_PICTURE = "no_picture"
    NO_SOUND = "no_sound"
    NOTHING_DECODES = "nothing_decodes"
    TILED = "tiled"
    COLOURS = "colours"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    MEMORY = "memory"


class Flaw(StrEnum):
    """What was wrong with a file that could be read all the same."""

    ENDS_EARLY = "ends_early"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Task:
    """What a decoding process is told. Pixels are 0 where only sound is wanted."""

    max_seconds: float
    max_pixels: int
    memory_bytes: int
    cpu_seconds: int


@dataclass(frozen=True)
class ClipHeader:
    """A clip's size in pixels as its frames come, its size as stored, and what its container says of it."""

    width: int
    height: int
    source_width: int
    source_height: int
    rate_numerator: int
    rate_denominator: int
    seconds: float
    codec: str
    still: bool


@dataclass(frozen=True)
class SoundHeader:
    """A sound's codec and what its container says of it."""

    codec: str
    seconds: float


@dataclass(frozen=True)
class Ending:
    """How long the source really was, in seconds, and what was wrong with it."""

    seconds: float
    flaws: tuple[Flaw, ...]


@dataclass(frozen=True)
class Verdict:
    """A refusal as the parent reads it; ``value`` is in the reason's own unit: seconds or pixels."""

    reason: Reason
    value: float = 0


class Refusal(Exception):
    """Raised in the decoding process; its verdict is the last message the parent gets."""

    def __init__(self, reason: Reason, value: float = 0) -> None:
        super().__init__(reason)
        self.verdict = Verdict(reason, value)


def say(fd: int, kind: Kind, body: DataclassInstance) -> None:
    """Write a message whose body is JSON."""
    send(fd, kind, [json.dumps(asdict(body)).encode()])


def send(fd: int, kind: Kind, parts: Sequence[ReadableBuffer], repeats: int = 1) -> None:
    """Write one message whose body is ``parts`` in a row."""
    views = [memoryview(part).cast("B") for part in parts]
    write_whole(fd, PREFIX.pack(kind, repeats, sum(len(view) for view in views)))
    for view in views:
        write_whole(fd, view)


def write_whole(fd: int, data: ReadableBuffer) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
