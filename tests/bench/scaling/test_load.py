from __future__ import annotations

import pytest

from bench.scaling.load import Load, sessions, sessions_of
from bench.scaling.modelled_endpoint import Session, Step
from bench.scaling.visits import Asked, Habits, Visit


def test_as_many_sessions_come_as_are_said_bursts_included() -> None:
    came = sessions(Load(sessions=400, hours=25), seed=3)
    assert len(came) == pytest.approx(25 * 400, rel=0.05)
    assert all(0 <= session.begins < 25 * 3600 for session in came)


def test_each_makes_one_avatar_and_then_its_videos() -> None:
    came = sessions(Load(sessions=1000, hours=1, habits=Habits(most_videos=3, pause=5.0)), seed=3)
    assert {tuple(step.action for step in session.steps) for session in came} == {
        ("create_session", *("generate",) * videos) for videos in (1, 2, 3)
    }
    assert all(session.steps[0].pause == 0 for session in came)
    pauses = [step.pause for session in came for step in session.steps[1:]]
    assert sum(pauses) / len(pauses) == pytest.approx(5, rel=0.1)


def test_the_same_seed_brings_the_same_sessions() -> None:
    load = Load(sessions=50, hours=1)
    assert sessions(load, 1) == sessions(load, 1) != sessions(load, 2)


def test_a_simulated_visit_is_a_session_of_the_model() -> None:
    visit = Visit(7.5, (Asked(0.0, {"action": "create_session"}), Asked(1.5, {"text": "Hello", "session_id": "one"})))
    assert sessions_of([visit]) == (Session(7.5, (Step("create_session"), Step("generate", 1.5))),)
