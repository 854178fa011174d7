"""engine/clock.py: how long nothing was looked at."""

from __future__ import annotations

import pytest

from engine.clock import Clocks


@pytest.mark.parametrize(("steady", "wall"), [(1.0, 3600.0), (1.0, -3600.0), (3600.0, 1.0)])
def test_either_clock_tells_of_a_sleep(steady: float, wall: float) -> None:
    times = [10.0, 1_000.0]
    clocks = Clocks(lambda: times[0], lambda: times[1])
    times[0] += steady
    times[1] += wall
    assert clocks.passed() == 3600
    assert clocks.passed() == 0
