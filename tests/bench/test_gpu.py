"""The bench of a GPU on this CPU with tiny networks: its parts, the process around them, and what fails in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.compiled_networks import compiled_sizes
from bench.gpu import ROOT, main
from bench.gpu_part import measure
from bench.gpu_place import FOR_A_LOOK, Place
from bench.gpu_report import PARTS, PartResult, part_report, tables_of, write_table
from bench.machine import NO_GPU
from bench.network_sizes import QUICK
from bench.table import Table


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks are no work for several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def place(shared: Path) -> Place:
    return Place(torch.device("cpu"), QUICK, FOR_A_LOOK, time.monotonic() + 600, shared, compiles=False)


def last_table(part: str, shared: Path) -> Table:
    *_, table = measure(part)(place(shared))
    return table


def test_the_networks_are_measured_in_every_size_beside_the_plain_way(tmp_path: Path) -> None:
    table = last_table("networks", tmp_path)
    assert [row[:2] for row in table.rows] == [
        ("plain way, fp32", "1"),
        ("plain way, fp32", "2"),
        ("ours, eager, fp32", "1"),
        ("ours, eager, fp32", "2"),
    ]
    assert all(row[-2:] == ("1.00", NO_GPU) for row in table.rows[:2])
    assert all(float(row[5]) > 0 for row in table.rows)


def test_single_precision_here_is_within_the_bounds_whatever_batch_a_frame_is_in(tmp_path: Path) -> None:
    table = last_table("parity", tmp_path)
    assert [(row[1], row[-1]) for row in table.rows] == [("1", "met"), ("2", "met")]


def test_jobs_are_compared_with_the_plain_way_composed_and_encoded(tmp_path: Path) -> None:
    table = last_table("frames", tmp_path)
    assert [row[:2] for row in table.rows] == [("plain way", "1"), ("the frame loop", "1"), ("the frame loop", "2")]
    assert all(float(cell) > 0 for row in table.rows for cell in row[2:7])


def test_preparing_names_every_stage(tmp_path: Path) -> None:
    table = last_table("preparing", tmp_path)
    assert len(table.rows) == 5
    assert all(float(milliseconds) > 0 for _, milliseconds, _ in table.rows)


def test_many_jobs_leave_figures_of_memory_all_along(tmp_path: Path) -> None:
    table = last_table("jobs", tmp_path)
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    assert all(float(row[1]) > 0 and row[2:] == (NO_GPU, NO_GPU) for row in table.rows)


@pytest.mark.full
def test_a_start_is_timed_by_its_phases(tmp_path: Path) -> None:
    table = last_table("cold_start", tmp_path)
    phases = {row[0]: float(row[1]) for row in table.rows}
    assert phases["import torch"] > 0
    assert phases.pop("together") == pytest.approx(sum(phases.values()), abs=0.1)


@pytest.mark.parametrize("part", ["profile", "compiled"])
def test_what_only_a_gpu_shows_is_not_made_up(part: str, tmp_path: Path) -> None:
    assert NO_GPU in last_table(part, tmp_path).rows[0]


def test_compiled_sizes_are_those_that_were_left(tmp_path: Path) -> None:
    for name in ("compiled-16", "compiled-2", "other"):
        (tmp_path / name).write_bytes(b"")
    assert compiled_sizes(tmp_path) == (2, 16)


def test_a_run_of_one_file_writes_what_it_shows_and_survives_a_part_that_fails(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "gpu.py"), "--device", "cpu", "--quick", "preparing", "jobs"]
    no_model = ["--landmarks", str(tmp_path / "none.onnx")]
    done = subprocess.run(
        [*command, *no_model],
        cwd=tmp_path,
        env={**os.environ, "OUT": str(tmp_path / "out")},
        capture_output=True,
        text=True,
        check=True,
    )
    text = (tmp_path / "out" / "gpu.md").read_text()
    assert text.strip() == done.stdout.strip()
    assert "nothing here was measured on a GPU" in text
    # The tables before the failure stay, and the next part has its turn.
    assert "| two encodes and the parser, in batches |" in text
    assert "**preparing: not measured further**" in text
    assert "none.onnx is missing" in text
    assert "| jobs done |" in text


def test_without_time_a_part_is_not_begun(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OUT", str(tmp_path))
        main(["--device", "cpu", "--quick", "--seconds", "5", "networks"])
    assert "**networks: not measured**, for no time was left for it" in capsys.readouterr().out


def test_an_unknown_part_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    told = capsys.readouterr().err
    assert "speed" in told
    assert all(part in told for part in PARTS)


def test_a_later_table_takes_the_place_of_an_earlier_one_of_its_title(tmp_path: Path) -> None:
    tables, first = tmp_path / "tables", Table("one", ("a", "b"), (("1", "2"),), ("note",))
    other = Table("two", ("a",), (("3",),))
    later = Table("one", ("a", "b"), (("1", "2"), ("4", "5")), ("note",))
    for table in (first, other, later):
        write_table(tables, table)
    assert tables_of(tables) == (later, other)
    assert tables_of(tmp_path / "none") == ()


def test_a_part_that_went_well_says_only_how_long_it_took() -> None:
    assert part_report(PartResult("jobs", (), 2.6, None)) == "(jobs: 3 s)"
