from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from bench.gpu_costs import measure, timings
from bench.gpu_figures import leave, left
from bench.gpu_place import Place, amounts_for
from bench.network_sizes import QUICK


def test_what_a_part_leaves_another_finds(tmp_path: Path) -> None:
    assert left(tmp_path) == {}
    leave(tmp_path, "start", 9.0)
    leave(tmp_path, "busy", 0.004)
    leave(tmp_path, "start", 8.0)
    assert left(tmp_path) == {"start": 8.0, "busy": 0.004}


def test_seconds_a_frame_become_those_of_a_clip_and_an_avatar() -> None:
    found = timings("NVIDIA H200", {"start": 8.0, "preparing": 0.01, "drawing": 0.004, "busy": 0.003})
    assert (found.preparation, found.clip, found.busy) == pytest.approx((1.5, 0.5, 0.075))


def test_no_cost_is_made_up(tmp_path: Path) -> None:
    place = Place(torch.device("cpu"), QUICK, amounts_for("cpu", True), time.monotonic() + 9, tmp_path, compiles=False)
    (table,) = measure(place)
    assert "start, preparing, drawing, busy not measured" in table.notes[-1]
