"""The report of a run, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.machine import Machine
from bench.table import Table
from tests.fuzz.course import GROWTH_BYTES, GROWTH_SHARE, Course

COLUMNS = ("door", "cases", "taken", "refused, by code", "failures", "seconds", "cases/s", "MB warm", "MB at the end")


def report(courses: Sequence[Course], seed: int, machine: Machine) -> str:
    """A table of the doors, then every failure, then one line that says how it went."""
    limit = f"Memory may grow by {GROWTH_SHARE:.0%} or {GROWTH_BYTES >> 20} MiB after the first fifth of the cases."
    table = Table(f"Fuzzing of the doors, seed {seed}", COLUMNS, tuple(map(_row, courses)), (*machine.rows(), limit))
    return "\n\n".join([table.markdown(), *_failures(courses), summary(courses)])


def summary(courses: Sequence[Course]) -> str:
    """The last line."""
    cases, failures = sum(course.cases for course in courses), sum(len(course.failures) for course in courses)
    refused = sum(times for course in courses for _, times in course.typed)
    grown = [course.door for course in courses if course.grown]
    memory = f"memory grew at {', '.join(grown)}" if grown else "memory did not grow"
    taken = sum(course.taken for course in courses)
    return f"{cases} cases: {taken} taken, {refused} refused with a typed error, {failures} failures; {memory}."


def _row(course: Course) -> tuple[str, ...]:
    return (
        course.door,
        str(course.cases),
        str(course.taken),
        ", ".join(f"{code} {times}" for code, times in course.typed) or "none",
        str(len(course.failures)),
        f"{course.seconds:.0f}",
        f"{course.cases / course.seconds:.0f}" if course.seconds else "0",
        f"{course.warm_bytes / 1e6:.0f}",
        f"{course.end_bytes / 1e6:.0f}",
    )


def _failures(courses: Sequence[Course]) -> list[str]:
    lines = [
        f"- {course.door}, case {failure.number}: {failure.about}" + (f" ({failure.kept})" if failure.kept else "")
        for course in courses
        for failure in course.failures
    ]
    return ["\n".join(lines)] if lines else []
