"""The plan of a run: all of it depends on the seed, and it holds what it should."""

from __future__ import annotations

from collections import Counter

from tests.chaos.faults import A_MINUTE, events
from tests.chaos.visits import Avatars, visits

AVATARS = Avatars((None, "a.mp4", "b.mp4"), "nobody.mp4", "damaged.mp4")


def test_the_same_seed_gives_the_same_faults_and_callers_and_another_others() -> None:
    assert events(7, 270, 4) == events(7, 270, 4) != events(8, 270, 4)
    assert visits(7, 270, 320, AVATARS) == visits(7, 270, 320, AVATARS) != visits(8, 270, 320, AVATARS)


def test_every_kind_of_fault_strikes_in_a_full_run_and_none_outlasts_it_unseen() -> None:
    planned = events(3, 270, 4)
    assert {event.kind for event in planned} == set(A_MINUTE)
    assert [event.at for event in planned] == sorted(event.at for event in planned)
    assert all(0 < event.at <= 270 for event in planned)
    assert {event.slot for event in planned} == {None, 0, 1, 2, 3}
    assert "kill, worker" in "\n".join(map(str, planned))


def test_callers_bring_all_that_there_is() -> None:
    asked = [each for visit in visits(3, 270, 320, AVATARS) for each in visit.jobs]
    assert 320 <= sum(each.copies for each in asked) < 330
    assert set(Counter(each.ends for each in asked)) == {"video", "session", "status", "deleted", "refused"}
    videos = [each for each in asked if each.ends == "video"]
    for field in ("text", "audio_base64", "idle", "stream", "idempotency_key", "session_id", "avatar_video_path"):
        assert any(field in each.input for each in videos), field
    assert sum(each.cancel_after is not None for each in asked) >= 10
    texts = [each.input["text"] for each in videos if "text" in each.input]
    assert len(texts) == len(set(texts))
