"""Real processes that load tiny networks each way, and tables that add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load_weights import FILE_WAYS, NETWORK_WAYS, Report, Start, Weights, loaded, main, started
from bench.network_sizes import QUICK
from bench.seeded_weights import pack_seeded, write_seeded
from engine.nets.weight_files import Official


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_seeded(folder, QUICK, seed=0)
    pack_seeded(folder, QUICK)
    return folder


def test_all_ways_draw_the_same_and_every_phase_is_timed(folder: Path) -> None:
    starts = {way: started(way, Weights(folder, quick=True)) for way in NETWORK_WAYS}
    for start in starts.values():
        assert list(start.phases) == ["python", "import", "load", "draw once"]
        assert all(seconds > 0 for seconds in start.phases.values())
    assert starts["mapped"].deviation == pytest.approx(starts["reference"].deviation, rel=1e-4)
    assert starts["ours"].deviation == pytest.approx(starts["reference"].deviation, rel=1e-2)


@pytest.mark.parametrize("way", FILE_WAYS)
def test_each_way_of_a_file_is_timed(folder: Path, way: str) -> None:
    assert 0 < loaded(Official.VAE, way, Weights(folder, quick=True)) < 10


@pytest.mark.full
def test_a_quick_run_prints_both_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--dir", str(folder), "--quick"])
    told = capsys.readouterr().out
    assert "- machine: " in told
    assert all(f"| {row} |" in told for row in ("import", "draw once", "together", *Official))


def made_up(folder: Path, ours: tuple[float, ...], other: tuple[float, ...]) -> Report:
    starts = {
        way: tuple(Start({"import": 1.0, "load": seconds}, 0.5) for seconds in (ours if way == "ours" else other))
        for way in NETWORK_WAYS
    }
    seconds: dict[str, tuple[float, ...]] = dict(zip(FILE_WAYS, ((3.0,), (1.0,), (2.0,)), strict=True))
    files = dict.fromkeys(Official, seconds)
    return Report(Weights(folder), starts, files)


def test_the_tables_have_the_middle_of_each_phase_and_sums(folder: Path) -> None:
    report = made_up(folder, (1.0, 5.0, 2.0), (9.0, 7.0, 8.0))
    assert report.starts_table().rows == (
        ("import", "1.00", "1.00", "1.00"),
        ("load", "2.00", "8.00", "8.00"),
        ("together", "3.00", "9.00", "9.00"),
    )
    assert report.saved("mapped") == 6.0
    together = report.files_table().rows[-1]
    assert (together[2], together[4], together[5]) == ("12.00", "4.00", "8.00")
    unet = (folder / Official.UNET).stat().st_size
    assert report.files_table().rows[0][1] == f"{unet / 1e6:.1f} MB"


@pytest.mark.parametrize(("other", "reached"), [(4.9, "missed"), (5.1, "met")])
def test_the_goal_is_judged(folder: Path, other: float, reached: str) -> None:
    assert made_up(folder, (1.0,), (other,)).starts_table().notes[-1].endswith(f"{reached}.")


def test_a_process_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"unet\.safetensors is missing"):
        started("ours", Weights(tmp_path, quick=True))


def test_the_command_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--dir" in capsys.readouterr().err
