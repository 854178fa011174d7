from __future__ import annotations

from bench.scaling.visits import Habits, visits

HABITS = Habits(most_videos=3, shortest=1, longest=2)


def test_a_visit_makes_its_session_and_then_its_videos() -> None:
    found = visits([0.5, 2.0, 3.0] * 20, ["a.mp4", "b.mp4"], HABITS, seed=1)
    assert found == visits([0.5, 2.0, 3.0] * 20, ["a.mp4", "b.mp4"], HABITS, seed=1)
    for number, visit in enumerate(found):
        create, *videos = [asked.input for asked in visit.jobs]
        assert create["action"] == "create_session"
        assert 1 <= len(videos) <= 3
        assert {job["session_id"] for job in (create, *videos)} == {f"visit-{number}"}
    assert {len(visit.jobs) for visit in found} == {2, 3, 4}
    assert {visit.jobs[0].input["avatar_video_path"] for visit in found} == {"a.mp4", "b.mp4"}


def test_some_videos_are_of_texts_and_some_of_recordings() -> None:
    jobs = [asked.input for visit in visits([0.0] * 30, ["a.mp4"], HABITS, seed=2) for asked in visit.jobs[1:]]
    of_texts = sum("text" in job for job in jobs)
    assert 0.3 < of_texts / len(jobs) < 0.7
    assert all(("text" in job) != ("audio_base64" in job) for job in jobs)
