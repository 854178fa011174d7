"""A slice of every door's cases, the same at every run; `make fuzz` tries them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.door import case_of, door_at, judged
from tests.fuzz.doors import DOORS


@pytest.mark.parametrize("module", DOORS)
def test_a_slice_of_the_cases_is_taken_or_refused_in_words(module: str, tmp_path: Path) -> None:
    door = door_at(module)
    with door.open(tmp_path) as ground:
        verdicts = [judged(ground, case_of(door, ground, 0, number)) for number in range(door.slice)]
    assert [verdict.trace for verdict in verdicts if verdict.code is None] == []
