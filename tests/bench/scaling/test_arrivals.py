from __future__ import annotations

from itertools import pairwise
from statistics import mean, pstdev

import pytest

from bench.scaling.arrivals import Arrivals, Pattern, arrivals

LONG = 8_000.0
BURSTY = Pattern(rate=0.5, times=8, lasting=10, apart=90)


@pytest.fixture(scope="module")
def bursty() -> Arrivals:
    return arrivals(BURSTY, LONG, seed=3)


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others(bursty: Arrivals) -> None:
    assert arrivals(BURSTY, LONG, seed=3) == bursty
    assert arrivals(BURSTY, LONG, seed=4).at != bursty.at


def test_arrivals_come_in_order_within_the_time(bursty: Arrivals) -> None:
    assert all(0 <= earlier < later < LONG for earlier, later in pairwise(bursty.at))


def test_without_bursts_it_is_a_poisson_process_of_the_rate() -> None:
    steady = arrivals(Pattern(rate=0.5, times=1, lasting=10, apart=90), LONG, seed=5).at
    gaps = [later - earlier for earlier, later in pairwise(steady)]
    assert mean(gaps) == pytest.approx(2.0, rel=0.05)
    assert pstdev(gaps) / mean(gaps) == pytest.approx(1.0, abs=0.05)


def test_bursts_last_as_long_and_are_as_far_apart_as_the_pattern_says(bursty: Arrivals) -> None:
    assert all(burst.ends - burst.begins == pytest.approx(10) for burst in bursty.bursts[:-1])
    between = [later.begins - earlier.ends for earlier, later in pairwise(bursty.bursts)]
    assert min(between) >= 0
    assert mean(between) == pytest.approx(90, rel=0.25)


def test_in_bursts_arrivals_come_so_many_times_as_often(bursty: Arrivals) -> None:
    inside = sum(any(burst.begins <= at < burst.ends for burst in bursty.bursts) for at in bursty.at)
    lasted = sum(burst.ends - burst.begins for burst in bursty.bursts)
    assert inside / lasted == pytest.approx(4.0, rel=0.05)
    assert (len(bursty.at) - inside) / (LONG - lasted) == pytest.approx(0.5, rel=0.05)


def test_a_burst_ends_with_the_time() -> None:
    cut = arrivals(Pattern(rate=1, times=2, lasting=1000, apart=1), 50, seed=1)
    assert cut.bursts[-1].ends == 50
