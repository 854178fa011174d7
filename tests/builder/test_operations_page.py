"""docs/operations.md names every metric, and every error that isn't the client's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder.environment_file import KNOWN
from builder.errors_page import errors_page
from engine.engine import Engine
from engine.fitness import SCRATCH_BYTES
from engine.settings import Settings
from engine.store.local import LocalStore
from shim.metrics.instruments import Instruments
from tests.builder.dockerfile import ROOT
from worker.watchdog import HUNG

PAGE = (ROOT / "docs" / "operations.md").read_text()
METRICS = PAGE[PAGE.index("## Metrics") : PAGE.index("## Errors that are the operator's")]
ERRORS = PAGE[PAGE.index("## Errors that are the operator's") : PAGE.index("## Workers that don't start")]
CHECKS = PAGE[PAGE.index("## Workers that don't start") : PAGE.index("## What happens by itself")]


def first_cells(text: str) -> set[str]:
    """Every word in backquotes of every row's first cell."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def exposed() -> set[str]:
    """The metrics as Prometheus knows them."""
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", Instruments().text().decode(), re.M)
    return {name for name, _ in kinds if not name.endswith("_created")}


def told_codes() -> set[str]:
    """Of the errors with 5xx."""
    rows = [line.split("|") for line in errors_page().splitlines() if line.startswith("| `")]
    return {row[1].strip(" `") for row in rows if row[2].strip().startswith("5")}


def test_every_metric_is_there_and_no_other() -> None:
    assert len(exposed()) >= 10
    assert first_cells(METRICS) == exposed()


def test_every_error_that_is_not_the_clients_is_there_and_no_other() -> None:
    assert len(told_codes()) > 20
    assert first_cells(ERRORS) == told_codes()


def test_every_check_of_a_start_is_there_and_no_other(tmp_path: Path) -> None:
    engine = Engine.open(Settings(renderer="preview"), LocalStore(tmp_path))
    assert first_cells(CHECKS) == set(engine.checks())
    assert f"less than {SCRATCH_BYTES // 10**6} MB" in CHECKS
    assert f"ended with {HUNG} " in CHECKS


def test_the_variables_it_names_are_settings() -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)`", PAGE))
    assert {"METRICS_TOKEN", "SYNC_WAIT_SECONDS"} <= named
    assert named <= KNOWN


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`python -m ([a-z_.]+)", PAGE))))
def test_the_commands_it_names_are_there(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_where_it_leads_is_there() -> None:
    for name in re.findall(r"\]\(([a-z_]+\.md)\)", PAGE):
        assert (ROOT / "docs" / name).is_file()
