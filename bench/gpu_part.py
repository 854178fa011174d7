"""One part of the bench on a GPU, in a process of its own: ``bench/gpu.py`` starts it.

    python -m bench.gpu_part PART --tables FILE --shared DIR [--device cuda] [--quick] [--compile] [--seconds 60]

Every table is added to FILE as soon as it is there. In DIR lies what one part leaves for another.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import torch

from bench.gpu_place import Place, amounts_for
from bench.gpu_report import PARTS, write_table
from bench.network_sizes import FULL, QUICK
from bench.table import Table


def measure(part: str) -> Callable[[Place], Iterator[Table]]:
    """What measures the part: modules of the others aren't imported, so that what they lack costs only them."""
    work: Callable[[Place], Iterator[Table]] = import_module(f"bench.gpu_{part}").measure
    return work


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_part")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--landmarks", type=Path)
    given = parser.parse_args(arguments)
    for table in measure(given.part)(place_of(given)):
        write_table(given.tables, table)


def place_of(given: argparse.Namespace) -> Place:
    if given.quick:
        # Tiny networks are no work for several threads.
        torch.set_num_threads(1)
    return Place(
        device=torch.device(given.device),
        configs=QUICK if given.quick else FULL,
        amounts=amounts_for(given.device, given.quick),
        until=time.monotonic() + given.seconds,
        shared=given.shared,
        compiles=given.device == "cuda" or given.compile,
        landmarks=given.landmarks,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
