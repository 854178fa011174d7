"""An autoscaled endpoint on this machine, on RunPod's own SDK: how long jobs wait, what they cost, whether any is lost.

    python -m bench.scaling.simulate                        about three minutes
    python -m bench.scaling.simulate --quick                to see that it works, not for its figures
    python -m bench.scaling.simulate --seed 2 --rate 0.5 --workers 6 --seconds 300

Leaves a plot in bench/out/simulate.png, and in bench/out/simulate.json what was measured, for the model of many more
workers. Ends with 1 if a job was lost or doubled.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import describe
from bench.scaling.arrivals import Pattern
from bench.scaling.rule import Rule
from bench.scaling.simulation import Simulated, Workload, simulate
from bench.scaling.simulation_plot import draw
from bench.scaling.simulation_report import table, verdict
from bench.workplace import ROOT

OUT = ROOT / "bench" / "out"
FULL_SECONDS, QUICK_SECONDS = 180.0, 15.0
RATE = 0.25
WORKERS = 4
SEED = 1


def run(workload: Workload, out: Path) -> int:
    """Simulate, print the report and leave the files in ``out``; the exit code."""
    began = datetime.now(UTC)
    workers = f"workers: {workload.rule.most} at most, which share the machine with the queue and its callers"
    rows = (*describe(began).rows(), workers, f"{_load()} at the start")
    print("\n".join(["# Simulated", "", *(f"- {row}" for row in rows)]), end="\n\n", flush=True)
    found = simulate(workload)
    print(table(found).markdown(), end="\n\n")
    print(f"Took {(datetime.now(UTC) - began).total_seconds():.0f} s; {_load()} at the end.", end="\n\n")
    return leave(found, rows, out)


def leave(found: Simulated, machine: Sequence[str], out: Path) -> int:
    """Write the files and say how every job ended; 1 if one was lost or doubled."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "simulate.json").write_text(found.measured(machine).model_dump_json(indent=1) + "\n")
    draw(found, out / "simulate.png")
    print(verdict(found))
    return 0 if found.accounts.are_right else 1


def _load() -> str:
    return f"load average of the last minute: {os.getloadavg()[0]:.1f}"


def _workload(wanted: argparse.Namespace) -> Workload:
    seconds = wanted.seconds or (QUICK_SECONDS if wanted.quick else FULL_SECONDS)
    pattern = Pattern(rate=wanted.rate, times=8, lasting=seconds / 15, apart=seconds / 4)
    return Workload(seconds, pattern, Rule(most=wanted.workers), wanted.seed)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling.simulate", description="Simulate an endpoint.")
    parser.add_argument("--seconds", type=float, help="how long callers come")
    parser.add_argument("--seed", type=int, default=SEED, help="of when they come, and what for")
    parser.add_argument("--rate", type=float, default=RATE, help="callers a second outside bursts")
    parser.add_argument("--workers", type=int, default=WORKERS, help="the most at once")
    parser.add_argument("--quick", action="store_true", help=f"callers come for {QUICK_SECONDS:g} s alone")
    return run(_workload(parser.parse_args(arguments)), OUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
