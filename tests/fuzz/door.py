"""What a door is: a way into the product, a maker of cases for it, and what may become of a case.

A case is bytes, as everything is that comes from outside, and follows from the seed, the door's name and the case's
number alone. It is *taken*, or refused with an ``EngineError`` of its own; anything else is a failure.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Protocol

from engine.errors import EngineError, InternalError

TAKEN = "taken"


class Ground(Protocol):
    """A door that stands open, with all that its cases need: made once, used for every case."""

    def make(self, random: Random) -> bytes:
        """A case, of ``random`` alone."""
        ...

    def run(self, case: bytes) -> str | None:
        """Take the case through the real product; None when it was taken, or the code that the product answers with.

        Raises EngineError where the product refuses it, and AssertionError where the product did what it must not.
        """
        ...


@dataclass(frozen=True)
class Door:
    """``cases``: its share of a full run. ``slice``: how many of them `make test` tries. ``limit``: seconds that a case
    may take. ``open`` is given an empty folder and hands out the ground."""

    name: str
    cases: int
    slice: int
    limit: float
    open: Callable[[Path], AbstractContextManager[Ground]]


@dataclass(frozen=True)
class Verdict:
    """``code``: ``taken`` or the error's code; None of a failure, of which ``about`` tells in a line and ``trace``."""

    code: str | None
    about: str = ""
    trace: str = ""


def door_at(module: str) -> Door:
    """The ``DOOR`` of a module, by the module's full name."""
    door = import_module(module).DOOR
    assert isinstance(door, Door)
    return door


def case_of(door: Door, ground: Ground, seed: int, number: int) -> bytes:
    """The same bytes in every process."""
    return ground.make(Random(f"{seed} {door.name} {number}"))


def judged(ground: Ground, case: bytes) -> Verdict:
    """What became of the case. An InternalError is a defect by its own definition, unless it is a more special one."""
    try:
        return Verdict(ground.run(case) or TAKEN)
    except EngineError as error:
        if type(error) is InternalError:
            return _failed(error)
        return Verdict(error.code)
    except Exception as error:  # noqa: BLE001  # What nobody foresaw is what this looks for.
        return _failed(error)


def _failed(error: Exception) -> Verdict:
    first = str(error).partition("\n")[0]
    return Verdict(None, f"{type(error).__name__}: {first[:300]}", traceback.format_exc())
