"""Fresh workers with short speeches: what they took is found and set side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.memory import RECORDING, TEXT, Growth, Report, Run, Speech, measure
from bench.worker_life import Found, Life, live
from bench.workplace import Workplace


def run(speech: Speech, peak: int) -> Run:
    return Run(
        speech,
        Life(Found(frames=speech.seconds * 25, seconds=1.0, ready_bytes=100, read_bytes=150, peak_bytes=peak), 0, 10),
    )


def test_workers_speak_and_are_measured() -> None:
    report = measure((Speech(TEXT, 1), Speech(RECORDING, 2), Speech(TEXT, 8)))
    short, recorded, long = report.runs
    for each in report.runs:
        found = each.life.found
        assert 10_000_000 < found.ready_bytes <= found.read_bytes <= found.peak_bytes
    assert recorded.seconds == pytest.approx(2.0, abs=0.08)
    assert recorded.life.child_bytes > 10_000_000
    assert short.life.child_bytes == long.life.child_bytes == 0
    assert long.seconds > short.seconds + 2
    assert [growth.voice for growth in report.growths()] == [TEXT]
    assert [row[0] for row in report.table().rows] == ["text, 256x300", "recording, 256x300", "text, 256x300"]


def test_growth_is_between_the_shortest_and_the_longest() -> None:
    runs = (run(Speech(TEXT, 10), 200), run(Speech(TEXT, 100), 330), run(Speech(TEXT, 10), 240))
    growth = Growth.among(TEXT, (*runs, run(Speech(RECORDING, 10), 900)))
    assert (growth.ratio, growth.times_sound, growth.more_bytes) == (1.5, 10.0, 110.0)
    assert Report(runs).growths() == (growth,)
    assert "10.0 times the sound took 1.500 times the memory" in Report(runs).table().notes[0]


def test_one_length_shows_no_growth() -> None:
    with pytest.raises(ValueError, match="one length"):
        Growth.among(TEXT, (run(Speech(TEXT, 10), 200),))


def test_a_worker_whose_job_fails_is_no_figure(tmp_path: Path) -> None:
    place = Workplace(tmp_path, tmp_path / "avatars" / "default.mp4").make()
    with pytest.raises(RuntimeError, match="session_not_found"):
        live(place, {"session_id": "nobody", "text": "Hello."})
