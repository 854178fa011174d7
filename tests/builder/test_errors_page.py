"""docs/errors.md is the page that the exception tree gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors_page import errors_page
from engine.errors import EngineError, IdempotencyConflict, NoFace, TtsMisconfigured
from engine.outages import Overloaded
from shim.errors import failure_of
from shim.refusals import RangeNotSatisfiable

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def rows() -> list[list[str]]:
    """The cells of every row of the table, without its head."""
    lines = [line for line in errors_page().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_is_as_generated() -> None:
    assert PAGE.read_text() == errors_page() + "\n", "python -m builder.errors_page > docs/errors.md"


@pytest.mark.parametrize(
    "error",
    [
        NoFace("There is no face."),
        Overloaded("All places are taken."),
        IdempotencyConflict("The key came with another request."),
        TtsMisconfigured("The speech service refuses the key."),
        RangeNotSatisfiable(10),
    ],
)
def test_an_error_stands_there_as_the_api_tells_it(error: EngineError) -> None:
    failure = failure_of(error)
    found = [row for row in rows() if row[:2] == [f"`{failure.code}`", str(failure.status)]]
    assert [row[3] for row in found] == ["yes" if failure.retryable else "no"]


def test_every_row_is_full_and_stands_once() -> None:
    assert len(rows()) > 50
    assert all(len(row) == 5 and all(row) and row[2].endswith(".") and row[4].endswith(".") for row in rows())
    assert len({tuple(row[:2]) for row in rows()}) == len(rows())


def test_errors_that_share_a_code_and_status_agree_whether_a_retry_helps() -> None:
    assert [row[3] for row in rows() if row[0] == "`internal_error`"] == ["no"]
    assert [(row[1], row[3]) for row in rows() if row[0] == "`avatar_too_large`"] == [("400", "no"), ("413", "no")]
