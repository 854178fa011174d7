"""The report of the bench on a GPU: its parts, what each found, and what is said where one failed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from bench.machine import describe
from bench.table import Table

PARTS = {
    "networks": 100.0,
    "parity": 80.0,
    "frames": 60.0,
    "preparing": 45.0,
    "jobs": 60.0,
    "cold_start": 200.0,
    "compiled": 90.0,
    "profile": 45.0,
    "costs": 20.0,
}
"""In the order they run, and how many seconds each may take."""


@dataclass(frozen=True)
class PartResult:
    """What a part's process left. ``wrong``: why it has no more tables, or None where it came to its end."""

    part: str
    tables: tuple[Table, ...]
    seconds: float
    wrong: str | None


def heading(now: datetime, device: str, quick: bool) -> str:
    """What stands above all tables."""
    rows = [f"- {row}" for row in describe(now).rows()]
    warning = ["", "**A quick run with tiny networks: its figures mean nothing.**"] if quick else []
    where = [] if device == "cuda" else ["", f"Measured on the {device.upper()}: nothing here was measured on a GPU."]
    return "\n".join(["# Measured: the networks and the frame loop", "", *rows, *where, *warning])


def part_report(result: PartResult) -> str:
    """A part's tables, how long they took, and what went wrong."""
    stretches = [table.markdown() for table in result.tables]
    if result.wrong is not None:
        stretches.append(f"**{result.part}: not measured{' further' if result.tables else ''}**, for {result.wrong}")
    stretches.append(f"({result.part}: {result.seconds:.0f} s)")
    return "\n\n".join(stretches)


def shown(result: PartResult) -> tuple[Table, ...]:
    """A part's tables, and one that says what went wrong."""
    if result.wrong is None:
        return result.tables
    return (*result.tables, Table(f"GPU, {result.part}: not measured", ("",), (), (result.wrong,)))


def write_table(path: Path, table: Table) -> None:
    """Add a table to a part's file, for the process that waits for it."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(table)) + "\n")


def tables_of(path: Path) -> tuple[Table, ...]:
    """The tables that a part has written so far; a later one takes the place of an earlier one of its title."""
    lines = path.read_text().splitlines() if path.exists() else []
    tables = {table.title: table for table in (_table(json.loads(line)) for line in lines)}
    return tuple(tables.values())


def _table(fields: dict[str, list[str] | str]) -> Table:
    rows = tuple(tuple(row) for row in fields["rows"])
    return Table(str(fields["title"]), tuple(fields["columns"]), rows, tuple(fields["notes"]))
