from __future__ import annotations

from bench.scaling.arrivals import Pattern, arrivals
from bench.scaling.comparison import table
from bench.scaling.course_figures import figures
from bench.scaling.load import sessions_of
from bench.scaling.measured import Measured, MeasuredRun
from bench.scaling.modelled_endpoint import Course, ModelledEndpoint
from bench.scaling.resampled import Resampled
from bench.scaling.rule import Rule
from bench.scaling.visits import Habits, visits
from tests.bench.scaling.measured_times import job, measured

PATTERN, SEED, AVATARS, SECONDS = Pattern(rate=0.3, times=3, lasting=10, apart=60), 4, 2, 120.0
VARIED = measured(*(job(action, seconds) for action in ("create_session", "generate") for seconds in (0.5, 1.5, 4.0)))


def _run_of(course: Course, rule: Rule) -> Measured:
    """What a simulation would leave, had it gone as the model's course went."""
    found = figures(course)
    run = MeasuredRun(
        seconds=SECONDS,
        pattern=PATTERN,
        seed=SEED,
        habits=Habits(),
        avatars=AVATARS,
        rule=rule,
        waits=tuple(each.wait for each in course.served),
        paid=found.paid,
    )
    taken = sorted(course.served, key=lambda each: each.taken)
    jobs = tuple(
        job(each.action, each.done - each.taken).model_copy(update={"video": each.video, "gpu": each.gpu})
        for each in taken
    )
    return VARIED.model_copy(update={"jobs": jobs, "cold_starts": (3.0,) * found.cold_starts, "run": run})


def test_with_its_times_in_order_the_model_goes_as_the_run_went() -> None:
    rule = Rule(most=3)
    planned = sessions_of(visits(arrivals(PATTERN, SECONDS, SEED).at, ["0", "1"], Habits(), SEED))
    simulated = _run_of(ModelledEndpoint(rule, 1, Resampled(VARIED, "as it went")).serve(planned), rule)
    assert simulated.run is not None
    compared = table(simulated, simulated.run)
    assert all(row[1] == row[2] for row in compared.rows), compared.rows
    assert any(row[2] != row[3] for row in compared.rows)
    assert all(float(row[4]) <= float(row[3]) <= float(row[5]) for row in compared.rows)
