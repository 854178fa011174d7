"""A model of an endpoint under its rule, far past what one machine can run: prints its tables as Markdown.

    python -m bench.scaling.model                          from bench/scaling/measured.json
    python -m bench.scaling.model --plot docs/scaling.png  with the plot
    python -m bench.scaling.model --measured mine.json     from your own workers' seconds (bench/scaling/measured.py)
    python -m bench.scaling.model --measured mine.json --card "RTX 4090"    with dollars

`make simulate` measures. What is modelled and what is not stands in docs/scaling.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.prices import Card, card_of
from bench.scaling import burden, comparison, dollars, settings_sweep
from bench.scaling.growth import ByLoad, ByWorkers, by_load, by_workers, load_of
from bench.scaling.measured import Measured
from bench.scaling.modelled import Model
from bench.scaling.rule import Rule
from bench.table import Table
from bench.workplace import ROOT

MEASURED = ROOT / "bench" / "scaling" / "measured.json"
"""Of one worker, with the machine to itself but for the queue and the callers: its jobs are not slowed by others'."""
SHARED = ROOT / "bench" / "scaling" / "measured_four_workers.json"
"""Of several workers on one machine: only compared with, since they slowed each other."""


@dataclass(frozen=True)
class Asked:
    """``sessions`` an hour where the load is the same in all rows. runs: that the model is compared with."""

    measured: Path = MEASURED
    runs: tuple[Path, ...] = (MEASURED, SHARED)
    sessions: float = 3000.0
    rule: Rule = field(default_factory=lambda: Rule(most=20))
    seed: int = 1
    card: Card | None = None
    plot: Path | None = None


@dataclass(frozen=True)
class Found:
    """Waiting and cost, of which there is a plot, and all else from the same model."""

    asked: Asked
    model: Model
    workers: ByWorkers
    grown: ByLoad

    def tables(self) -> Iterator[Table]:
        measured, rule = self.model.measured, self.asked.rule
        yield from (comparison.table(each, each.run) for each in map(read, self.asked.runs) if each.run is not None)
        yield self.workers.table()
        yield self.grown.table()
        yield burden.table(self.grown, measured)
        yield settings_sweep.alone(settings_sweep.turned(self.model, rule), rule)
        yield settings_sweep.together(self.model, self.workers.load, rule)
        if self.asked.card is not None:
            yield dollars.table(self.grown, self.asked.card, measured)


def read(path: Path) -> Measured:
    """Raises what pydantic and the file system say of a file that isn't there or isn't Measured."""
    return Measured.model_validate_json(path.read_bytes())


def found(asked: Asked) -> Found:
    model = Model(read(asked.measured), asked.seed)
    workers = by_workers(model, load_of(asked.sessions), asked.rule)
    return Found(asked, model, workers, by_load(model, asked.rule))


def main(arguments: Sequence[str]) -> None:
    asked = parsed(arguments)
    result = found(asked)
    print("\n".join(f"- {line}" for line in result.model.measured.machine), end="\n\n")
    for table in result.tables():
        print(table.markdown(), end="\n\n")
    if asked.plot is not None:
        # Here, because nothing else needs matplotlib.
        from bench.scaling import model_plot

        model_plot.draw(result.workers, result.grown, asked.plot)


def parsed(arguments: Sequence[str]) -> Asked:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling.model", description="Model an endpoint.")
    add, default = parser.add_argument, Asked()
    add("--measured", type=Path, help="a JSON file of bench/scaling/measured.py's Measured")
    add("--sessions", type=float, default=default.sessions, help="an hour, where the load is the same in all rows")
    add("--queue-delay", type=float, default=default.rule.queue_delay, help="seconds")
    add("--idle-seconds", type=float, default=default.rule.idle)
    add("--workers-min", type=int, default=default.rule.least)
    add("--workers-max", type=int, default=default.rule.most, help="where the tables don't say how many")
    add("--seed", type=int, default=default.seed)
    add("--card", type=_card, help="whose price a second makes dollars of worker seconds, by CUDA's name of it")
    add("--plot", type=Path, help="where to leave the plot, a PNG")
    given = parser.parse_args(arguments)
    rule = Rule(given.queue_delay, given.idle_seconds, given.workers_min, given.workers_max)
    return Asked(
        measured=given.measured or default.measured,
        runs=(given.measured,) if given.measured else default.runs,
        sessions=given.sessions,
        rule=rule,
        seed=given.seed,
        card=given.card,
        plot=given.plot,
    )


def _card(name: str) -> Card:
    card = card_of(name)
    if card is None:
        raise argparse.ArgumentTypeError(f"bench/prices.py has no price for {name!r}")
    return card


if __name__ == "__main__":
    main(sys.argv[1:])
