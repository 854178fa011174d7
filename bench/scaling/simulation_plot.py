"""A simulation as a picture: who came, what waited, and what the workers did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.scaling.simulation import Simulated

INK, FAINT = "#222222", "#8a8a8a"
BURST = "#f4e3c1"
JOBS, CALLERS = "#3b6ea5", "#c8553d"
STATES = {"busy": "#2f6f73", "idle": "#9cc5a1", "starting": "#e0a458", "leaving": "#c9c9c9"}
"""From the bottom of the stack up."""

BIN_SECONDS = 5.0


def draw(found: Simulated, path: Path) -> None:
    """A PNG, with the time since the opening to the right."""
    with mpl.rc_context(
        {
            "font.size": 9.5,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": FAINT,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    ):
        figure = Figure(figsize=(10, 7.2), layout="constrained")
        coming, waiting, working = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 3))
        for axes in (coming, waiting, working):
            _prepare(axes, found)
        _draw_arrivals(coming, found)
        _draw_queue(waiting, found)
        _draw_workers(working, found)
        working.set_xlabel("seconds")
        figure.suptitle(_title(found), x=0.01, ha="left", fontsize=11)
        figure.savefig(path, dpi=120)


def _title(found: Simulated) -> str:
    rule = found.workload.rule
    return (
        f"{len(found.jobs)} jobs of {len(found.arrivals.at)} callers on up to {rule.most} workers: "
        f"one more for each job that waits {rule.queue_delay:g} s, ended after {rule.idle:g} s without work"
    )


def _prepare(axes: Axes, found: Simulated) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.margins(x=0)
    for burst in found.arrivals.bursts:
        axes.axvspan(burst.begins, burst.ends, color=BURST, linewidth=0, zorder=0)


def _draw_arrivals(axes: Axes, found: Simulated) -> None:
    submitted = [job.submitted - found.opened for job in found.jobs]
    end = _times(found)[-1]
    edges = [BIN_SECONDS * number for number in range(int(end / BIN_SECONDS) + 2)]
    axes.hist(submitted, edges, color=JOBS, alpha=0.75, label=f"jobs in {BIN_SECONDS:g} s")
    axes.plot(
        found.arrivals.at, [0] * len(found.arrivals.at), "|", color=CALLERS, markersize=9, clip_on=False,
        label="a caller comes",
    )  # fmt: skip
    axes.axvspan(0, 0, color=BURST, label="burst")
    axes.set_ylabel("arrivals")
    _explain(axes)


def _draw_queue(axes: Axes, found: Simulated) -> None:
    queued = [look.queued for look in found.looks]
    axes.fill_between(_times(found), queued, step="post", color=JOBS, alpha=0.25, linewidth=0)
    axes.step(_times(found), queued, where="post", color=JOBS, linewidth=1.1)
    axes.set_ylabel("jobs in the queue")
    axes.set_ylim(bottom=0)


def _draw_workers(axes: Axes, found: Simulated) -> None:
    rows = [[getattr(look, state) for look in found.looks] for state in STATES]
    axes.stackplot(
        _times(found), rows, step="post", labels=list(STATES), colors=list(STATES.values()), linewidth=0
    )  # fmt: skip
    most = found.workload.rule.most
    axes.axhline(most, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate("the most", (0, most), xytext=(3, 3), textcoords="offset points", color=FAINT, fontsize=8.5)
    axes.set_ylim(0, most + 1)
    axes.set_ylabel("workers")
    _explain(axes)


def _explain(axes: Axes) -> None:
    axes.legend(loc="upper right", ncols=4, frameon=False, fontsize=8.5, handlelength=1.2, columnspacing=1.2)


def _times(found: Simulated) -> Sequence[float]:
    return [look.at - found.opened for look in found.looks]
