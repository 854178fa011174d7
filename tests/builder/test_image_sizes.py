"""Layers' sizes, by wheels."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from builder.image_sizes import layer, main


def wheel(folder: Path, name: str, unpacked: int) -> Path:
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("module.py", b"0" * unpacked)
    return path


def test_large_wheels_come_first_and_small_ones_together(tmp_path: Path) -> None:
    large = wheel(tmp_path, "very_large-1.2", 30_000_000)
    small = [wheel(tmp_path, f"small-{number}.0", 1_000_000) for number in range(3)]
    named = {size.name: size for size in layer(tmp_path)}
    assert list(named) == ["very-large 1.2", "3 smaller ones", "together"]
    assert named["very-large 1.2"].packed == large.stat().st_size
    assert named["very-large 1.2"].unpacked == 30_000_000
    assert named["together"].unpacked == 33_000_000
    assert named["together"].packed == sum(path.stat().st_size for path in (large, *small))


def test_it_prints_a_table(tmp_path: Path) -> None:
    wheel(tmp_path, "very_large-1.2", 30_000_000)
    out = io.StringIO()
    assert main([str(tmp_path)], out) == 0
    assert "| very-large 1.2 | 0 | 30 |" in out.getvalue()
    assert "| together | 0 | 30 |" in out.getvalue()


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)], io.StringIO()) == 1
    assert "pip download" in capsys.readouterr().err
