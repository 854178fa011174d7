"""worker/watchdog.py: what counts as a step, and whose limits."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.stall_settings import StallSettings
from worker.watchdog import Watchdog


class Scene:
    """One job under a watchdog that looks once a second, in time of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 100.0
        self.ends = 0
        monkeypatch.setattr("engine.cancel.time.monotonic", lambda: self.time)
        self.cancel = CancelToken()
        limits = StallSettings(drawing_stall_seconds=10, stall_seconds=60)
        self.watchdog = Watchdog(limits, self._end, lambda: self.time)
        self.told: list[dict[str, Any]] = []
        self.watch = self.watchdog.watching("job-1", self.cancel, self.told.append)

    def pass_seconds(self, count: int) -> None:
        for _ in range(count):
            self.time += 1
            self.watchdog.look()

    def _end(self) -> None:
        self.ends += 1


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_stage_without_a_step_ends_the_process_at_its_own_limit(scene: Scene) -> None:
    with scene.watch as report:
        scene.pass_seconds(60)
        assert scene.ends == 0
        report({"stage": "drawing", "progress": 0.0})
        scene.pass_seconds(10)
        assert scene.ends == 0
        scene.pass_seconds(1)
        assert scene.ends == 1
    assert scene.told == [{"stage": "drawing", "progress": 0.0}]


def test_whoever_takes_steps_may_take_for_ever(scene: Scene) -> None:
    part = CancelToken(within=scene.cancel)
    with scene.watch as report:
        report({"stage": "drawing"})
        for _ in range(100):
            scene.pass_seconds(9)
            part.check()
    assert scene.ends == 0


def test_waiting_is_no_step_and_sees_a_cancellation(scene: Scene) -> None:
    with scene.watch as report:
        report({"stage": "drawing"})
        for _ in range(11):
            scene.cancel.check_waiting()
            scene.pass_seconds(1)
        assert scene.ends == 1
    scene.cancel.cancel()
    with pytest.raises(Cancelled):
        scene.cancel.check_waiting()


def test_a_process_that_was_frozen_as_a_whole_hangs_no_more_than_its_clock(scene: Scene) -> None:
    with scene.watch:
        scene.pass_seconds(50)
        scene.time += 3600
        scene.watchdog.look()
        scene.pass_seconds(60)
        assert scene.ends == 0


def test_a_job_that_is_over_is_watched_no_more(scene: Scene) -> None:
    with scene.watch:
        pass
    scene.pass_seconds(100)
    assert scene.ends == 0
