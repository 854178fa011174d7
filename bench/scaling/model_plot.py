"""The model's waiting and cost as a picture: against the workers that there may be, and against the load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.scaling.course_figures import Figures
from bench.scaling.growth import ByLoad, ByWorkers

SHADES = {"p50": "#9ecae1", "p95": "#4292c6", "p99": "#08306b"}
COST, PACKED = "#b5460f", "#e6a15c"
WAITS = (0, 1, 2, 5, 10, 30, 100, 300, 1000, 3000, 10_000)
"""Seconds on the axis of waiting, which is linear up to 1: most jobs don't wait at all."""


def draw(workers: ByWorkers, grown: ByLoad, path: Path) -> None:
    """Leave a PNG at ``path``."""
    with mpl.rc_context({"font.size": 9, "axes.grid": True, "grid.color": "#dddddd", "axes.axisbelow": True}):
        figure = Figure(figsize=(9, 6.2), layout="constrained")
        (waits, load_waits), (cost, load_cost) = figure.subplots(2, 2)
        _draw_workers(waits, cost, workers)
        _draw_load(load_waits, load_cost, grown)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100, metadata={"Software": None})


def _draw_workers(waits: Axes, cost: Axes, found: ByWorkers) -> None:
    waits.set_title(f"{found.load.sessions:,.0f} sessions an hour")
    _draw_waits(waits, found.workers, found.figures)
    cost.plot(found.workers, [each.cost for each in found.figures], color=COST, marker="o", markersize=3)
    _finish(cost, "workers at most", found.workers)
    waits.set_xticks(found.workers)


def _draw_load(waits: Axes, cost: Axes, found: ByLoad) -> None:
    sessions = [load.sessions for load in found.loads]
    waits.set_title("as many workers as are called for")
    _draw_waits(waits, sessions, found.figures)
    cost.plot(sessions, [each.cost for each in found.figures], color=COST, marker="o", markersize=3, label="in turn")
    packed = [each.cost for each in found.packed]
    cost.plot(sessions, packed, color=PACKED, marker="o", markersize=3, linestyle="--", label="packed")
    cost.legend(frameon=False)
    for axes in (waits, cost):
        axes.set_xscale("log")
    _finish(cost, "sessions an hour", sessions)
    waits.set_xticks(sessions, [f"{each:,.0f}" for each in sessions])


def _draw_waits(axes: Axes, across: Sequence[float], found: Sequence[Figures]) -> None:
    for name, colour in SHADES.items():
        seconds = [getattr(each.waiting, name) for each in found]
        axes.plot(across, seconds, color=colour, marker="o", markersize=3, label=name)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_yticks(WAITS, [f"{each:,}" for each in WAITS])
    axes.set_ylim(-0.1, 1.4 * max(1.0, *(each.waiting.p99 for each in found)))
    axes.set_ylabel("seconds in the queue")
    axes.minorticks_off()
    axes.legend(frameon=False)


def _finish(axes: Axes, across: str, ticks: Sequence[float]) -> None:
    axes.set_xlabel(across)
    axes.set_xticks(ticks, [f"{each:,.0f}" for each in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_ylabel("worker seconds paid per second of video")
