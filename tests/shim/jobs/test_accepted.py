"""Accepted jobs as they lie in the store."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import AudioSilent, RecordDamaged
from engine.outages import Interrupted
from engine.schemas import Generate
from engine.store.local import LocalStore
from shim.jobs.accepted import AcceptedJobs
from shim.jobs.replicas import SILENCE, Replica
from tests.shim.jobs.samples import NOW, accepted

REQUEST = Generate(session_id="s", text="Hello.", owner="shop", idempotency_key="k")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def jobs(store: LocalStore) -> AcceptedJobs:
    return AcceptedJobs(store, lambda: NOW)


def keys(store: LocalStore) -> list[str]:
    return [info.key for info in store.list("")]


def test_what_is_kept_is_found_whole(jobs: AcceptedJobs) -> None:
    assert jobs.keep(accepted(), REQUEST)
    assert jobs.get("j") == accepted()
    assert jobs.request("j") == REQUEST
    assert jobs.unfinished_ids() == {"j"}
    assert [each.job_id for each in jobs.unfinished("s")] == ["j"]
    assert list(jobs.unfinished("t")) == []
    assert jobs.get("no.id") is None


def test_a_damaged_request_is_a_typed_error(jobs: AcceptedJobs, store: LocalStore) -> None:
    jobs.keep(accepted(), REQUEST)
    (key,) = [key for key in keys(store) if key.endswith(".request")]
    store.put(key, b'{"session_id": 7}')
    with pytest.raises(RecordDamaged, match="can't be read"):
        jobs.request("j")


@pytest.mark.parametrize("field", ["body_hash", "session_id"])
def test_what_no_key_can_hold_is_a_damaged_record(jobs: AcceptedJobs, store: LocalStore, field: str) -> None:
    jobs.keep(accepted(), REQUEST)
    whole = json.loads(accepted().model_dump_json())
    store.put("accepted/j.json", json.dumps({**whole, field: "../x"}).encode())
    with pytest.raises(RecordDamaged, match=r"accepted/j\.json"):
        jobs.end("j", "done")


def test_of_several_ends_the_first_counts(jobs: AcceptedJobs, store: LocalStore) -> None:
    jobs.keep(accepted(), REQUEST)
    jobs.end("j", "cancelled", Interrupted("It was cancelled."))
    ended = jobs.end("j", "done")
    assert ended is not None
    assert (ended.state, ended.ended_at, ended.next_delivery) == ("cancelled", NOW, NOW)
    assert ended.error is not None
    assert (ended.error.error, ended.error.retryable) == ("interrupted", True)
    with pytest.raises(Interrupted):
        jobs.request("j")
    assert keys(store) == ["accepted/j.json", "pending/s/j"]
    jobs.finish("j")
    assert keys(store) == ["accepted/j.json"]


def test_another_request_with_the_same_key_takes_nothing_s_place(jobs: AcceptedJobs) -> None:
    jobs.keep(accepted(), REQUEST)
    other = REQUEST.model_copy(update={"text": "Something else."})
    assert not jobs.keep(accepted(body_hash="1" * 64), other)
    assert jobs.request("j") == REQUEST


def test_what_could_not_be_begun_is_gone(jobs: AcceptedJobs, store: LocalStore) -> None:
    jobs.keep(accepted(), REQUEST)
    jobs.withdraw(accepted())
    assert keys(store) == []
    assert jobs.end("j", "failed", AudioSilent("It is silent.")) is None


def test_the_name_of_what_was_never_accepted_goes_later(jobs: AcceptedJobs, store: LocalStore) -> None:
    jobs.keep(accepted(), REQUEST)
    store.put("pending/s/never", b"")
    for left in list(jobs.unfinished()):
        jobs.forget_if_never_accepted(left, NOW - timedelta(days=9999))
    assert jobs.unfinished_ids() == {"j", "never"}
    for left in list(jobs.unfinished()):
        jobs.forget_if_never_accepted(left, NOW + timedelta(days=9999))
    assert jobs.unfinished_ids() == {"j"}


def test_a_sessions_open_jobs_end_with_it(jobs: AcceptedJobs) -> None:
    for job_id, session_id in (("a", "s"), ("b", "s"), ("c", "t")):
        jobs.keep(accepted(job_id, session_id=session_id), REQUEST)
    jobs.end("b", "done")
    ended = jobs.end_with_session("s")
    assert [(job.job_id, job.state) for job in ended] == [("a", "cancelled"), ("b", "done")]
    assert (job := jobs.get("c")) is not None
    assert job.is_open


def test_who_was_not_heard_of_for_a_while_is_dead(store: LocalStore) -> None:
    here, there = Replica(store), Replica(store)
    assert there.beat() == {there.name}
    assert here.beat() == {here.name, there.name}
    silent = store.head(f"replicas/{there.name}")
    assert silent is not None
    long_ago = (silent.modified - SILENCE - timedelta(seconds=1)).timestamp()
    os.utime(store.url(silent.key), (long_ago, long_ago))
    assert here.beat() == {here.name}
    here.leave()
    assert there.beat() == {there.name}
