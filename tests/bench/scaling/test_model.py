"""``python -m bench.scaling.model``, its plot, and the document that its figures stand in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.scaling import burden, comparison
from bench.scaling.growth import by_load, by_workers, load_of
from bench.scaling.load import Load
from bench.scaling.measured import Measured
from bench.scaling.model import MEASURED, Asked, main, parsed, read
from bench.scaling.model_plot import draw
from bench.scaling.modelled import Model
from bench.scaling.rule import Rule
from bench.table import Table
from bench.workplace import ROOT
from tests.bench.scaling.measured_times import measured

DOCUMENT = (ROOT / "docs" / "scaling.md").read_text()
LARGEST_PICTURE = 150_000


def _assert_told(table: Table) -> None:
    heading, *rows = [line for line in table.markdown().splitlines() if line.startswith("|")]
    assert all(line in DOCUMENT.splitlines() for line in (heading, *rows)), table.markdown()


def test_the_document_has_the_models_figures_of_what_was_measured() -> None:
    """Some rows of the tables on waiting; everything when all is tested."""
    model, rule = Model(read(MEASURED)), Asked().rule
    grown = by_load(model, rule, sessions=(30,))
    for each in map(read, Asked().runs):
        assert each.run is not None
        _assert_told(comparison.table(each, each.run))
    _assert_told(by_workers(model, load_of(Asked().sessions), rule, workers=(20,)).table())
    _assert_told(grown.table())
    _assert_told(burden.table(grown, model.measured))


@pytest.mark.full
def test_the_document_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--plot", str(tmp_path / "scaling.png")])
    printed = capsys.readouterr().out
    for line in filter(None, printed.splitlines()):
        assert line in DOCUMENT.splitlines()
    assert (tmp_path / "scaling.png").is_file()


def test_the_documents_own_seconds_are_what_the_command_reads() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    times = Measured.model_validate_json(example)
    found = by_workers(Model(times), Load(sessions=60, hours=1), Rule(), workers=(2,))
    assert found.figures[0].jobs > 60
    (command,) = re.findall(r"-m bench.scaling.model (.+)", DOCUMENT)
    assert parsed(shlex.split(command)).measured == Path("mine.json")


def test_the_plot_is_a_small_picture(tmp_path: Path) -> None:
    model = Model(measured())
    workers = by_workers(model, Load(sessions=300, hours=1), Rule(), workers=(1, 5))
    draw(workers, by_load(model, Rule(), sessions=(30, 60)), tmp_path / "new" / "plot.png")
    for picture in (tmp_path / "new" / "plot.png", ROOT / "docs" / "scaling.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < LARGEST_PICTURE


def test_the_command_takes_the_rule_and_ones_own_seconds() -> None:
    given = "--measured mine.json --queue-delay 2 --idle-seconds 30 --workers-min 1 --workers-max 8 --sessions 40"
    asked = parsed([*given.split(), "--card", "NVIDIA L4"])
    assert (asked.measured, asked.runs, asked.sessions) == (Path("mine.json"), (Path("mine.json"),), 40)
    assert asked.rule == Rule(queue_delay=2, idle=30, least=1, most=8)
    assert asked.card is not None
    assert "L4" in asked.card.title
    assert parsed([]) == Asked()


def test_a_card_without_a_price_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--card", "abacus"])
    assert "no price for 'abacus'" in capsys.readouterr().err
