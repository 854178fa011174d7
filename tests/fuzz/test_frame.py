"""The frame sees every end that a case can come to, names it, and goes on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from bench.machine import describe
from tests.fuzz.__main__ import main, share
from tests.fuzz.course import LEAST_CASES, Course, Failure
from tests.fuzz.door import case_of
from tests.fuzz.report import report, summary
from tests.fuzz.toys import growing, unruly
from tests.fuzz.watch import Asked, watch

ENDS = {
    "fail": "KeyError: 'nobody foresaw this'",
    "defect": "InternalError: Something went wrong.",
    "leave": "the process ended with 3",
    "crash": "the process died of SIGSEGV",
    "hang": "the process hung",
}


def drawn(seed: int, number: int) -> str:
    return case_of(unruly.DOOR, unruly.Unruly(), seed, number).decode()


def seed_with_every_end(cases: int) -> int:
    """The first whose cases hold every end, and only one of each that ends its process."""
    for seed in range(100_000):
        times = Counter(drawn(seed, number) for number in range(cases))
        if set(times) == set(unruly.ENDS) and all(times[end] == 1 for end in ("leave", "crash", "hang")):
            return seed
    raise AssertionError("there is no such seed")


def test_every_end_is_seen_and_named_and_the_run_goes_on(tmp_path: Path) -> None:
    cases = 8
    seed = seed_with_every_end(cases)
    course = watch(Asked("tests.fuzz.toys.unruly", seed, cases, tmp_path / "kept"))
    ends = [drawn(seed, number) for number in range(cases)]
    assert course.cases == cases
    assert course.taken == ends.count("take")
    assert course.typed == [("text_too_long", ends.count("refuse"))]
    assert {failure.number for failure in course.failures} == {n for n, end in enumerate(ends) if end in ENDS}
    for failure in course.failures:
        assert failure.number is not None
        assert failure.kept is not None
        assert failure.about.startswith(ENDS[ends[failure.number]])
        assert Path(failure.kept).read_text() == ends[failure.number]
        assert Path(failure.kept).with_suffix(".txt").read_text().startswith(failure.about)
    assert not course.well


def test_memory_that_grows_is_a_failure(tmp_path: Path) -> None:
    course = watch(Asked("tests.fuzz.toys.growing", 1, LEAST_CASES, tmp_path))
    assert not course.failures
    assert course.end_bytes - course.warm_bytes > growing.BYTES * LEAST_CASES // 2
    assert course.grown
    assert not course.well


def test_memory_within_its_bounds_is_none() -> None:
    noise = Random(1)
    course = Course(
        "steady", Counter(taken=1000), resident=[90_000_000 + noise.randrange(5_000_000) for _ in range(1000)]
    )
    assert course.well


def test_a_door_that_does_not_open_fails(tmp_path: Path) -> None:
    course = watch(Asked("tests.fuzz.toys.shut", 1, 10, tmp_path))
    assert [failure.about for failure in course.failures] == [
        "the door did not open, the process ended with 1: OSError: it is locked"
    ]


def test_the_report_counts_and_ends_with_one_line() -> None:
    courses = [
        Course("first", Counter(taken=3, invalid_input=2, text_too_long=1), [], [5_000_000], 2.0),
        Course("second", Counter(taken=1), [Failure(1, "the process hung", "kept/file")], [5_000_000], 1.0),
    ]
    text = report(courses, 7, describe(datetime.now(UTC)))
    assert "| first | 6 | 3 | invalid_input 2, text_too_long 1 | 0 | 2 | 3 | 5 | 5 |" in text
    assert "- second, case 1: the process hung (kept/file)" in text
    assert text.splitlines()[-1] == summary(courses)
    assert summary(courses) == "8 cases: 4 taken, 3 refused with a typed error, 1 failures; memory did not grow."


def test_a_number_of_cases_is_shared_out_in_proportion() -> None:
    assert share(["tests.fuzz.toys.unruly", "tests.fuzz.toys.growing"], 70) == [10, 60]
    assert share(["tests.fuzz.toys.unruly"], None) == [100]


def test_a_kept_case_asks_for_its_door(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--case", str(tmp_path / "some.case")])
