from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.housekeeping.rules import Rule, aged, jobs_of, rules, unit
from engine.lifetimes import Lifetimes
from engine.store.protocol import ObjectInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OUTPUTS = Rule("outputs", DAY, depth=2)


def written(key: str, days_ago: float) -> ObjectInfo:
    return ObjectInfo(key, 1, "etag", NOW - days_ago * DAY)


def test_each_kind_goes_after_its_own_time() -> None:
    lifetimes = Lifetimes(session=DAY, output=3 * DAY, upload=DAY / 2, stream=DAY / 4)
    assert {rule.folder: rule.after / DAY for rule in rules(lifetimes)} == {
        "outputs": 3,
        "uploads": 0.5,
        "jobs": 3,
        "streams": 0.25,
        "workers": 7,
        "proofs": 1,
        "requests": 1,
        "tokens": 1,
        "leases": 1,
        "accepted": 2,
        "pending": 2,
        "replicas": 1,
        "incoming": 1,
    }


def test_a_jobs_record_stays_a_day_however_short_its_outputs_live() -> None:
    assert {rule.folder: rule.after for rule in rules(Lifetimes(None, DAY / 24, None))}["jobs"] == DAY


def test_what_is_kept_for_ever_has_no_rule() -> None:
    kept = [rule.folder for rule in rules(Lifetimes(None, None, None))]
    requests = ["requests", "tokens", "leases", "accepted", "pending", "replicas", "incoming"]
    assert kept == ["streams", "workers", "proofs", *requests]


def test_sessions_and_avatars_have_no_rule() -> None:
    assert not {"sessions", "avatars"} & {rule.folder for rule in rules(Lifetimes(DAY, DAY, DAY))}


def test_a_jobs_folder_is_judged_by_its_newest_object() -> None:
    objects = [
        written("outputs/s/new/a", 9),
        written("outputs/s/new/b", 0),
        written("outputs/s/old/a", 9),
        written("outputs/s/old/speech/note.json", 2),
        written("outputs/s/stray", 9),
        written("outputs/t/half/a", 0),
        written("outputs/t/half/b", 9),
    ]
    assert aged(objects, OUTPUTS, NOW - DAY) == ["outputs/s/old/", "outputs/s/stray"]


def test_objects_without_folders_go_one_by_one() -> None:
    objects = [written("uploads/a", 2), written("uploads/ab", 0.5), written("uploads/b", 2)]
    assert aged(objects, Rule("uploads", DAY), NOW - DAY) == ["uploads/a", "uploads/b"]


def test_the_moment_itself_is_not_before_it() -> None:
    assert aged([written("uploads/a", 1)], Rule("uploads", DAY), NOW - DAY) == []


def test_outputs_name_their_jobs() -> None:
    outputs = ["outputs/s/a-1-12345678/video.mp4", "outputs/s/a-1-87654321/speech/note.json", "outputs/s/b-12345678/"]
    assert jobs_of([*outputs, "outputs/s/stray", "uploads/c-12345678/x"]) == {"a-1", "b"}


@given(
    keys=st.sets(st.lists(st.sampled_from(["a", "b", "a.b", "a-b"]), min_size=1, max_size=4).map("/".join)),
    old=st.data(),
    depth=st.integers(0, 2),
)
def test_nothing_new_ever_goes_and_everything_old_does(keys: set[str], old: st.DataObject, depth: int) -> None:
    rule = Rule("outputs", DAY, depth)
    objects = [written(f"outputs/{key}", old.draw(st.sampled_from([0, 2]))) for key in sorted(keys)]
    going = aged(objects, rule, NOW - DAY)
    assert len(set(going)) == len(going)
    for item in objects:
        mates = [other for other in objects if unit(other.key, rule) == unit(item.key, rule)]
        assert (unit(item.key, rule) in going) == all(mate.modified < NOW - DAY for mate in mates)
        assert item.key.startswith(unit(item.key, rule))
