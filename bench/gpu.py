"""Every figure that a GPU gives, in one run of at most eight minutes, as Markdown: start this file on a bare machine.

    python3 bench/gpu.py                        all of it, on the machine's GPU
    python3 bench/gpu.py networks parity        these parts alone
    python3 bench/gpu.py --device cpu --quick   tiny networks, to see that it works

It needs torch, numpy, opencv and pillow, downloads nothing, and makes random weights of the official size on the
device. What else is missing (PyAV, diffusers, transformers, weights of the landmarks) is named where it would have
been measured. Every part runs in a process of its own, so that one that fails, or takes too long, loses no other.
The text is left in the folder that OUT names, or else in bench/out, as gpu.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__" and not __package__:
    # Started as a file, Python looks for modules in this folder instead of the project's.
    sys.path[0] = str(ROOT)

from bench.gpu_report import PARTS, PartResult, heading, part_report, tables_of  # noqa: E402

WHOLE_SECONDS = 460.0
LEAST_SECONDS = 10.0
"""With less time left than this no part is started."""
STDERR_SHOWN = 2_000


@dataclass(frozen=True)
class Asked:
    """What is wanted: see the command's own help."""

    parts: tuple[str, ...]
    device: str
    quick: bool
    compiles: bool
    landmarks: Path | None
    seconds: float

    def command(self, part: str, tables: Path, shared: Path, seconds: float) -> list[str]:
        """Of the process that measures ``part`` into the file ``tables``."""
        said = [part, "--device", self.device, "--tables", str(tables), "--shared", str(shared)]
        flags = [*(["--quick"] if self.quick else []), *(["--compile"] if self.compiles else [])]
        landmarks = ["--landmarks", str(self.landmarks.resolve())] if self.landmarks else []
        return [sys.executable, "-m", "bench.gpu_part", *said, "--seconds", f"{seconds:.0f}", *flags, *landmarks]


def run(asked: Asked, show: Callable[[str], None], results: Path) -> None:
    """Measure the parts in turn; ``show`` gets each stretch of the report as it is there, ``results`` all of it."""
    began = time.monotonic()
    stretches: list[str] = []
    results.parent.mkdir(parents=True, exist_ok=True)

    def add(stretch: str) -> None:
        stretches.append(stretch)
        show(stretch)
        # Whole at any time, for whoever stops the run.
        results.write_text("\n\n".join(stretches) + "\n")

    add(heading(datetime.now(UTC), asked.device, asked.quick))
    for result in results_of(asked):
        add(part_report(result))
    add(f"Took {time.monotonic() - began:.0f} s.")


def results_of(asked: Asked) -> Iterator[PartResult]:
    """Every part in turn, within the run's time."""
    began = time.monotonic()
    with TemporaryDirectory() as shared:
        for part in asked.parts:
            yield measured(asked, part, Path(shared), asked.seconds - (time.monotonic() - began))


def measured(asked: Asked, part: str, shared: Path, left: float) -> PartResult:
    """Measure one part in a process that has at most what is ``left`` of the run's time, and on a GPU its own limit."""
    limit = min(PARTS[part], left) if asked.device == "cuda" else left
    if limit < LEAST_SECONDS:
        return PartResult(part, (), 0.0, "no time was left for it")
    with TemporaryDirectory() as folder:
        tables, began = Path(folder) / "tables.jsonl", time.monotonic()
        wrong = _process(asked.command(part, tables, shared, limit), limit)
        return PartResult(part, tables_of(tables), time.monotonic() - began, wrong)


def _process(command: list[str], limit: float) -> str | None:
    """Run the command; what went wrong, if anything did."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(), stderr=subprocess.PIPE, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {limit:.0f} s"
    if done.returncode == 0:
        return None
    return f"it ended with {done.returncode}:\n\n```\n{done.stderr[-STDERR_SHOWN:].strip()}\n```"


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def _asked(arguments: Sequence[str]) -> Asked:
    parser = argparse.ArgumentParser(prog="bench/gpu.py", description="Measure this machine's GPU.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; none means all")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny networks, few frames: to see that it works")
    parser.add_argument("--compile", action="store_true", help="compile the networks on a CPU, too: minutes")
    parser.add_argument("--landmarks", type=Path, help="dw-ll_ucoco_384.onnx, to measure finding landmarks with")
    parser.add_argument("--seconds", type=float, default=WHOLE_SECONDS, help="for the whole run; default: %(default)s")
    given = parser.parse_args(arguments)
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    parts = tuple(given.parts or PARTS)
    return Asked(parts, given.device, given.quick, given.compile, given.landmarks, given.seconds)


def main(arguments: Sequence[str]) -> None:
    asked = _asked(arguments)
    results = Path(os.environ.get("OUT") or ROOT / "bench" / "out") / "gpu.md"
    run(asked, lambda text: print(text, end="\n\n", flush=True), results)


if __name__ == "__main__":
    main(sys.argv[1:])
