from __future__ import annotations

import pytest

from bench.viewer import Arrival, gaps, watch


def came(*moments: float) -> list[Arrival]:
    return [Arrival(at, 0.2) for at in moments]


def test_what_comes_in_time_plays_without_standing() -> None:
    watched = watch(came(1.0, 1.1, 1.3, 1.55), prebuffer=0)
    assert (watched.start, watched.underruns, watched.stalled) == (1.0, 0, 0)


def test_a_late_fragment_is_waited_for_and_moves_all_later_ones() -> None:
    watched = watch(came(1.0, 1.5, 1.65, 1.9), prebuffer=0)
    assert watched.underruns == 1
    assert watched.stalled == pytest.approx(0.3)


@pytest.mark.parametrize(("prebuffer", "start"), [(0.0, 1.0), (0.25, 1.3), (0.5, 1.6), (9.0, 1.9)])
def test_it_begins_when_so_much_is_there_or_all_of_it(prebuffer: float, start: float) -> None:
    assert watch(came(1.0, 1.3, 1.6, 1.9), prebuffer).start == start


def test_a_prebuffer_spares_what_it_holds() -> None:
    slow = came(1.0, 1.3, 1.6, 1.9)
    assert watch(slow, 0).underruns == 3
    assert watch(slow, 0.5).underruns == 0


def test_gaps_are_those_between_fragments() -> None:
    assert gaps(came(1.0, 1.5, 1.75)) == pytest.approx([0.5, 0.25])
