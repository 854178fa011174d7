"""Figures as a Markdown table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """What one part of the bench found. ``rows`` have a cell for each of ``columns``; ``notes`` stand beneath."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the table {self.title!r} has another number of cells than its heading")

    def markdown(self) -> str:
        """The title as a heading, the table with all but its first column to the right, the notes as a list."""
        ruler = ("---", *("---:" for _ in self.columns[1:]))
        lines = [_line(row) for row in (self.columns, ruler, *self.rows)]
        noted = ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([f"## {self.title}", "", *lines, *noted])


def met(reached: bool) -> str:
    """What stands behind a goal."""
    return "met" if reached else "missed"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
