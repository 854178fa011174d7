"""``python -m bench``: what it prints, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import PARTS, main, run


def test_a_quick_run_shows_what_it_writes(tmp_path: Path) -> None:
    shown: list[str] = []
    run(["startup"], True, shown.append, tmp_path / "out" / "results.md")
    assert (tmp_path / "out" / "results.md").read_text() == "\n\n".join(shown) + "\n"
    heading, table, ending = shown
    assert "- machine: " in heading
    assert "UTC" in heading
    assert "quick run" in heading
    assert table.startswith("## From the start of the process to ready")
    assert ending.startswith("Took ")


def test_a_full_run_has_no_warning(tmp_path: Path) -> None:
    shown: list[str] = []
    run([], False, shown.append, tmp_path / "results.md")
    assert "quick" not in shown[0]


def test_a_part_that_is_unknown_is_named_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["memory", "speed"])
    told = capsys.readouterr().err
    assert "no part speed" in told
    assert all(part in told for part in PARTS)


def test_what_needs_a_gpu_is_not_made_up_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    shown: list[str] = []
    run(["gpu"], False, shown.append, tmp_path / "results.md")
    assert shown[1].startswith("## Dollars of a video")
    assert "not measured on a GPU" in shown[1]
