"""What turning each of the endpoint's settings does, and the two that matter most against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from bench.scaling.course_figures import Figures
from bench.scaling.growth import load_of
from bench.scaling.load import Load
from bench.scaling.modelled import Model
from bench.scaling.rule import Rule
from bench.table import Table

NAMES = {
    "queue_delay": "queue delay, s",
    "idle": "idle timeout, s",
    "least": "workers at least",
    "most": "workers at most",
}
"""Of the rule's settings, in the words of the endpoint's."""
VALUES: Mapping[str, Sequence[float]] = {
    "queue_delay": (1, 2, 4, 8, 16),
    "idle": (1, 5, 15, 60, 300),
    "least": (0, 1, 2, 4),
    "most": (3, 5, 10, 20),
}
FEW, MANY = 100, 3000
"""Sessions an hour: where workers are rarely there, and where several always are."""
DELAYS, IDLES = (1, 2, 4, 8), (1, 5, 15, 60)


@dataclass(frozen=True)
class Turned:
    """One setting at one value, the others as they were, at both loads; at the higher one also ``packed``."""

    setting: str
    value: float
    few: Figures
    many: Figures
    packed: Figures


def turned(model: Model, rule: Rule, values: Mapping[str, Sequence[float]] = VALUES) -> tuple[Turned, ...]:
    """Every setting by itself."""
    return tuple(
        _turn(model, setting, value, _with(rule, **{setting: value}))
        for setting, turns in values.items()
        for value in turns
    )


def alone(found: Sequence[Turned], rule: Rule) -> Table:
    columns = ("wait p95, s", "cold starts an hour", "worker s a video s")
    return Table(
        title="Each setting by itself",
        columns=(
            "setting",
            "value",
            *(f"{load:,} sessions an hour: {each}" for load in (FEW, MANY) for each in columns),
            "packed",
        ),
        rows=tuple(map(_row, found)),
        notes=("The others meanwhile: " + "; ".join(f"{NAMES[key]} {at:g}" for key, at in asdict(rule).items()) + ".",),
    )


def together(model: Model, load: Load, rule: Rule, delays: Sequence[float] = DELAYS) -> Table:
    """95 of 100 jobs' waiting, and what is paid for it, at each pair of queue delay and idle timeout."""
    return Table(
        title=f"Queue delay and idle timeout, {load.sessions:,.0f} sessions an hour: wait p95, s / worker s a video s",
        columns=("queue delay, s", *(f"idle timeout {idle} s" for idle in IDLES)),
        rows=tuple(
            (f"{delay}", *(_pair(model.figures(load, _with(rule, queue_delay=delay, idle=idle))) for idle in IDLES))
            for delay in delays
        ),
    )


def _with(rule: Rule, **settings: float) -> Rule:
    """The rule's counts are whole, as in the tables above."""
    return replace(rule, **settings)  # type: ignore[arg-type]


def _turn(model: Model, setting: str, value: float, rule: Rule) -> Turned:
    few, many = load_of(FEW), load_of(MANY)
    packed = model.figures(many, rule, packs=True)
    return Turned(setting, value, model.figures(few, rule), model.figures(many, rule), packed)


def _row(each: Turned) -> tuple[str, ...]:
    cells = (*_cells(each.few, FEW), *_cells(each.many, MANY), f"{each.packed.cost:.2f}")
    return (NAMES[each.setting], f"{each.value:g}", *cells)


def _pair(figures: Figures) -> str:
    return f"{figures.waiting.p95:.1f} / {figures.cost:.2f}"


def _cells(figures: Figures, sessions: float) -> tuple[str, ...]:
    starts = figures.cold_starts / load_of(sessions).hours
    return (f"{figures.waiting.p95:.1f}", f"{starts:.0f}", f"{figures.cost:.2f}")
