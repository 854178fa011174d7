"""Values of a hypothesis strategy that follow from a seeded chance alone."""

from __future__ import annotations

from random import Random
from typing import Any, Generic, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

BYTES = 4_000
"""What a value is made of: more than most need."""


def weighed(*choices: tuple[int, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """One of them, by their weights: those of ``one_of`` are lost where it is given another one."""
    among = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.integers(0, len(among) - 1).flatmap(lambda index: among[index])


class Drawing(Generic[T]):
    """Draws one value after another. Hypothesis makes a value of bytes for whoever fuzzes with bytes of their own."""

    def __init__(self, strategy: SearchStrategy[T]) -> None:
        self._drawn: list[T] = []

        @settings(database=None, deadline=None)
        @given(strategy)
        def take(value: T) -> None:
            self._drawn.append(value)

        self._fuzz = take.hypothesis.fuzz_one_input  # type: ignore[attr-defined]

    def draw(self, random: Random) -> T:
        """Again where the bytes were not enough for a value."""
        self._drawn.clear()
        while not self._drawn:
            self._fuzz(random.randbytes(BYTES))
        return self._drawn.pop()
