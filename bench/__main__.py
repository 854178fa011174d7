"""Every figure that the project claims, in one run, as Markdown.

    python -m bench                     everything: some minutes
    python -m bench --quick             everything at a small size: to see that it works, not for its figures
    python -m bench memory startup      these parts alone

The same text is left in bench/out/results.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import compose_encode, concurrency, end_to_end, gpu, memory, polling, prices, soak, startup, streaming
from bench.gpu_report import PARTS as PARTS_OF_GPU
from bench.gpu_report import shown
from bench.machine import describe
from bench.table import Table
from bench.workplace import ROOT
from engine.lipsync.gpu import has_gpu

RESULTS = ROOT / "bench" / "out" / "results.md"


def _startup(quick: bool) -> tuple[Table, ...]:
    return (startup.measure(startup.QUICK if quick else startup.FULL).table(),)


def _end_to_end(quick: bool) -> tuple[Table, ...]:
    return (end_to_end.measure(end_to_end.QUICK if quick else end_to_end.FULL).table(),)


def _compose_encode(quick: bool) -> tuple[Table, ...]:
    if quick:
        report = compose_encode.measure(compose_encode.QUICK_FRAMES, compose_encode.QUICK_REPETITIONS)
    else:
        report = compose_encode.measure()
    return report.table(), report.presets_table()


def _memory(quick: bool) -> tuple[Table, ...]:
    return (memory.measure(memory.QUICK if quick else memory.FULL).table(),)


def _concurrency(quick: bool) -> tuple[Table, ...]:
    return (concurrency.measure(concurrency.QUICK if quick else concurrency.FULL).table(),)


def _streaming(quick: bool) -> tuple[Table, ...]:
    return streaming.measure(streaming.QUICK if quick else streaming.FULL).tables()


def _polling(quick: bool) -> tuple[Table, ...]:
    return polling.measure(polling.QUICK if quick else polling.FULL).tables()


def _soak(quick: bool) -> tuple[Table, ...]:
    return (soak.measure(soak.QUICK if quick else soak.FULL).table(),)


def _preparing(quick: bool) -> tuple[Table, ...]:
    # Here, because no other part needs torch and onnx in this process.
    from bench import preparing, seeded_preparation

    return (preparing.measure(seeded_preparation.QUICK if quick else seeded_preparation.FULL).table(),)


def _gpu(quick: bool) -> tuple[Table, ...]:
    """What ``bench/gpu.py`` measures, where there is a GPU."""
    if not has_gpu():
        return (prices.table(None),)
    asked = gpu.Asked(tuple(PARTS_OF_GPU), "cuda", quick, compiles=False, landmarks=None, seconds=gpu.WHOLE_SECONDS)
    return tuple(table for result in gpu.results_of(asked) for table in shown(result))


PARTS: dict[str, Callable[[bool], tuple[Table, ...]]] = {
    "startup": _startup,
    "end_to_end": _end_to_end,
    "concurrency": _concurrency,
    "streaming": _streaming,
    "polling": _polling,
    "compose_encode": _compose_encode,
    "preparing": _preparing,
    "memory": _memory,
    "soak": _soak,
    "gpu": _gpu,
}


def run(parts: Sequence[str], quick: bool, show: Callable[[str], None], results: Path) -> None:
    """Measure the parts in turn; ``show`` gets each stretch of the report as it is there, ``results`` all of it."""
    stretches: list[str] = []

    def add(stretch: str) -> None:
        stretches.append(stretch)
        show(stretch)

    began = time.monotonic()
    add(_heading(quick))
    for part in parts:
        for table in PARTS[part](quick):
            add(table.markdown())
    add(f"Took {time.monotonic() - began:.0f} s; {_load()} at the end.")
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text("\n\n".join(stretches) + "\n")


def _heading(quick: bool) -> str:
    machine = describe(datetime.now(UTC))
    warning = ["", "**A quick run: too small for its figures to mean anything.**"] if quick else []
    rows = [f"- {row}" for row in (*machine.rows(), f"{_load()} at the start")]
    return "\n".join(["# Measured", "", *rows, *warning])


def _load() -> str:
    """How busy the machine is: on a quiet one, at most the bench's own work."""
    return f"load average of the last minute: {os.getloadavg()[0]:.1f}"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure this machine.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; none means all")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it works")
    wanted = parser.parse_args(arguments)
    if unknown := [part for part in wanted.parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    run(wanted.parts or list(PARTS), wanted.quick, lambda text: print(text, end="\n\n", flush=True), RESULTS)


if __name__ == "__main__":
    main(sys.argv[1:])
