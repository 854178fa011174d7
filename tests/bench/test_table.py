"""Figures as Markdown."""

from __future__ import annotations

import pytest

from bench.table import Table, met


def test_a_table_stands_under_its_title_and_over_its_notes() -> None:
    table = Table("Speed", ("", "m/s"), (("walking", "1.4"), ("running", "5.0")), ("On level ground.",))
    assert table.markdown() == (
        "## Speed\n\n|  | m/s |\n| --- | ---: |\n| walking | 1.4 |\n| running | 5.0 |\n\n- On level ground."
    )


def test_a_row_without_all_its_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="Speed"):
        Table("Speed", ("", "m/s"), (("walking",),))


def test_a_goal_is_met_or_missed() -> None:
    assert (met(True), met(False)) == ("met", "missed")
