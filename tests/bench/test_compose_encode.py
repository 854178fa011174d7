"""The bench on a scene small enough to run with the tests: both ways make the video, and the figures add up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np

from bench.compose_encode import Comparison, Report, Spent, compared, encoded_alone, whole_box
from bench.machine import describe
from bench.reference_composition import pasted
from bench.scene import swaying_scene
from engine.video.compose import Alpha, compose
from engine.video.encode import EncoderSettings
from engine.video.i420 import I420, Box


def test_both_ways_make_the_same_film(tmp_path: Path) -> None:
    scene = swaying_scene(192, 128, 64, 6)
    comparison = compared(scene, 1, tmp_path)
    assert comparison.ratio == comparison.ours[0].total / comparison.reference[0].total
    films = []
    for name in ("ours.mp4", "reference.mp4"):
        with av.open(str(tmp_path / name)) as file:
            assert file.streams.audio
            films.append(np.stack([frame.to_ndarray()[:128] for frame in file.decode(video=0)]).astype(float))
    assert films[0].shape == films[1].shape == (6, 128, 192)
    # Not to the byte: the reference's colours are BT.601's, and it encodes twice.
    assert np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1] > 0.95


def test_the_reference_paste_is_the_formula_that_ours_uses() -> None:
    rng = np.random.default_rng(3)
    frame, crop = rng.integers(0, 256, (64, 96, 3), np.uint8), rng.integers(0, 256, (32, 32, 3), np.uint8)
    mask = rng.integers(0, 256, (32, 32), np.uint8)
    box, around = Box(32, 16, 64, 48), Box(24, 8, 72, 56)
    wide = np.zeros((48, 48), np.uint8)
    wide[8:40, 8:40] = mask
    found = pasted(frame, crop, box, wide, around)
    for channel in range(3):
        ours, patch = I420.blank(96, 64), I420.blank(32, 32)
        ours.y[:], patch.y[:] = frame[:, :, channel], crop[:, :, channel]
        assert np.array_equal(compose(ours, patch, box, Alpha.of(mask)).y, found[:, :, channel])


def test_the_rows_say_whether_the_goal_was_met() -> None:
    quick, slow = Spent(0.01, 0.09, 0.15, 1_000_000), Spent(1.0, 3.0, 5.0, 2_000_000)
    comparison = Comparison(1280, 720, 10, (quick, quick, quick), (slow, slow, slow))
    assert comparison.rows()[0] == ("here, 1280x720", "1.00", "9.00", "15.00", "100.0", "1.00", "0.025", "0.030")
    assert comparison.note() == "1280x720: 40.0 times as fast; goal: a tenth of the time: met."
    assert Comparison(1280, 720, 10, (slow,), (slow,)).note().endswith("missed.")


def test_the_report_has_a_row_for_each_way_and_each_preset(tmp_path: Path) -> None:
    scene = swaying_scene(192, 128, 64, 4)
    preset = encoded_alone(scene, "draft", EncoderSettings().at("draft"), tmp_path)
    comparison = compared(scene, 1, tmp_path)
    report = Report((comparison,), 2.5, (preset,))
    assert [row[0] for row in report.table().rows] == ["here, 192x128", "reference's way, 192x128"]
    assert report.table().notes[-1].endswith("2.50 ms a frame; goal: 3 ms: met.")
    assert report.presets_table().rows[0][:3] == ("draft", "30", "1")


def test_a_whole_box_takes_time() -> None:
    assert 0 < whole_box(swaying_scene(192, 128, 64, 1), 3) < 1


def test_the_machine_is_named_with_the_date() -> None:
    rows = describe(datetime(2031, 2, 3, 4, 5, tzinfo=UTC)).rows()
    assert rows[-1] == "date: 2031-02-03 04:05 UTC"
    assert "cores" in rows[0]
    assert "numpy 2" in rows[2]
