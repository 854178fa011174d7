"""Sessions in front of a queue that no worker takes from: the test plays the platform and the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from engine.avatar.blocked import BlockList
from engine.avatar.sources import AvatarSources
from engine.clock import utc_now
from engine.endpoint.job_state import QueuedJob
from engine.endpoint.preparations import SILENCE
from engine.errors import Conflict, EngineError, SessionNotFound
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.lifetimes import Lifetimes
from engine.outages import Overloaded, QueueUnavailable
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession
from engine.settings import Settings
from engine.store.local import LocalStore
from shim.errors import GenerationFailed
from shim.queued_sessions import SessionStore
from tests.shim.front import Front
from tests.shim.waiting import wait_until
from tests.worker.endpoint import Endpoint
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import QueueStandIn

DEFAULT = CreateSession(action="create_session")


@pytest.fixture
def queue() -> Iterator[QueueStandIn]:
    with QueueStandIn() as queue:
        yield queue


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def front(queue: QueueStandIn, store: LocalStore) -> Iterator[Front]:
    with Front(queue, store) as front:
        yield front


def statuses(queue: QueueStandIn) -> list[str]:
    """How its jobs stand, in order of submission."""
    with closing(Endpoint(queue)) as endpoint:
        return [endpoint.status(job_id)["status"] for job_id in queue.inputs()]


def test_a_created_session_is_prepared_by_a_job_that_its_record_names(front: Front, queue: QueueStandIn) -> None:
    front.create("s", "a.mp4")
    record = front.session("s")
    assert (record.status, record.job_id) == ("preparing", front.only_job())
    wanted = {"action": "create_session", "session_id": "s", "begun": True, "avatar_video_path": "a.mp4"}
    assert list(queue.inputs().values()) == [wanted]


def test_the_same_request_again_costs_no_second_job(front: Front, queue: QueueStandIn) -> None:
    for _ in range(2):
        front.create("s", "a.mp4")
    assert len(queue.inputs()) == 1
    with pytest.raises(Conflict):
        front.create("s", "b.mp4")
    assert len(queue.inputs()) == 1


def test_two_servers_that_create_one_session_submit_one_job(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store) as one, Front(queue, store) as other:
        asked = [front.creating("s") for front in (one, other)]
        for each in asked:
            each.result(10)
        assert len(queue.inputs()) == 1
        assert one.session("s") == other.session("s")


def test_a_session_that_failed_is_begun_again(front: Front, queue: QueueStandIn) -> None:
    front.create("s")
    front.change("s", status="error", error_code="no_face", message="No face.")
    front.create("s")
    assert len(queue.inputs()) == 2
    record = front.session("s")
    assert (record.status, record.error_code, record.job_id) == ("preparing", None, list(queue.inputs())[1])


def test_a_ready_session_is_begun_again_only_without_its_avatar(
    front: Front, queue: QueueStandIn, store: LocalStore
) -> None:
    key = "a" * 64
    store.put(f"avatars/{key}/manifest.json", b'{"parts": {}}')
    front.create("s")
    front.change("s", status="ready", avatar_key=key)
    front.create("s")
    assert len(queue.inputs()) == 1
    store.put(f"avatars/{key}/manifest.json", b'{"withdrawn": "1"}')
    front.create("s")
    assert len(queue.inputs()) == 2


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault(500), QueueUnavailable), (Fault(429, headers={"Retry-After": "60"}), Overloaded)]
)
def test_a_queue_that_takes_no_job_leaves_nothing_behind(
    front: Front, queue: QueueStandIn, store: LocalStore, fault: Fault, error: type[EngineError]
) -> None:
    queue.faults.plan("run", fault)
    with pytest.raises(error):
        front.create("s")
    assert list(store.list("")) == []
    front.create("s")
    assert front.session("s").job_id == front.only_job()


def test_a_queue_that_takes_no_job_leaves_a_failed_session_as_it_was(front: Front, queue: QueueStandIn) -> None:
    front.create("s")
    front.change("s", status="error", error_code="no_face", message="No face.")
    queue.faults.plan("run", Fault(500))
    with pytest.raises(QueueUnavailable):
        front.create("s")
    record = front.session("s")
    assert (record.status, record.error_code, record.message) == ("error", "no_face", "No face.")


@pytest.mark.parametrize(
    ("avatar", "code"),
    [
        ("../secret.mp4", "avatar_not_allowed"),
        ("/etc/passwd", "avatar_not_allowed"),
        ("ftp://example.com/a.mp4", "avatar_not_allowed"),
        ("a\0b", "avatar_not_allowed"),
        ("never-uploaded", "avatar_not_found"),
        ("https://169.254.169.254/a.mp4", "url_not_allowed"),
        ("http://example.com/a.mp4", "url_not_allowed"),
    ],
)
def test_a_name_that_can_t_be_an_avatar_is_refused_at_once(
    front: Front, queue: QueueStandIn, store: LocalStore, avatar: str, code: str
) -> None:
    with pytest.raises(EngineError) as caught:
        front.create("s", avatar)
    assert (caught.value.code, caught.value.http_status) == (code, 400)
    assert queue.inputs() == {}
    assert list(store.list("")) == []


def test_an_upload_s_id_is_taken(front: Front, store: LocalStore) -> None:
    store.put("uploads/mine", b"a video")
    front.create("s", "mine")
    assert front.session("s").avatar_source == "mine"


def test_deleting_cancels_the_preparation(front: Front, queue: QueueStandIn, store: LocalStore) -> None:
    front.create("s")
    front.delete("s")
    assert statuses(queue) == ["CANCELLED"]
    assert list(store.list("")) == []
    with pytest.raises(SessionNotFound):
        front.delete("s")


def test_deleting_cancels_the_videos_and_tells_their_callers(front: Front, queue: QueueStandIn) -> None:
    front.make_ready("s")
    front.make_ready("other")
    asked = front.generating("one", session_id="s", text="Hello.")
    job_id = front.only_job()
    front.begin(job_id, utc_now() - timedelta(minutes=5))
    front.generating("two", session_id="other", text="Hello.")
    wait_until(lambda: len(queue.inputs()) == 2)
    front.delete("s")
    with pytest.raises(GenerationFailed) as caught:
        asked.result(10)
    assert isinstance(caught.value.cause, SessionNotFound)
    assert front.job(job_id).state == "cancelled"
    assert statuses(queue) == ["CANCELLED", "IN_QUEUE"]


def test_a_queue_that_is_away_keeps_no_session_from_being_deleted(front: Front, queue: QueueStandIn) -> None:
    front.create("s")
    queue.faults.plan("cancel", *[Fault(500)] * 4)
    front.delete("s")
    with pytest.raises(SessionNotFound):
        front.session("s")


def test_a_preparation_that_is_lost_is_submitted_again_by_a_poll(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store) as front:
        front.create("s")
        lost = front.only_job()
        queue.forget(lost)
    with Front(queue, store, now=lambda: utc_now() + SILENCE) as later:
        record = later.session("s")
        assert (record.status, record.resubmissions, record.job_id) == ("preparing", 1, front.only_job())


def test_a_preparation_that_the_queue_says_has_failed_ends_its_session(queue: QueueStandIn, store: LocalStore) -> None:
    with Front(queue, store) as front:
        front.create("s")
        told = '{"code": "unknown_action", "message": "Unknown.", "retryable": false, "request_id": "j"}'
        queue.end(front.only_job(), "FAILED", error=told)
    with Front(queue, store, now=lambda: utc_now() + SILENCE) as later:
        record = later.session("s")
        assert (record.status, record.error_code) == ("error", "unknown_action")
    assert len(queue.inputs()) == 1


@pytest.fixture
def stored(store: LocalStore) -> SessionStore:
    settings = Settings()
    sources = AvatarSources.of(settings, store, GuardedFetcher(FetchPolicy()))
    return SessionStore(store, Records(store, utc_now), sources, Lifetimes.of(settings), utc_now, BlockList())


def test_a_worker_that_began_before_its_job_was_noted_keeps_the_session(stored: SessionStore) -> None:
    begun = stored.begin(DEFAULT, "s")
    assert begun is not None
    assert begun.record.job_id is None

    def taken_over(record: SessionRecord) -> SessionRecord:
        return record.model_copy(update={"job_id": "the-worker-s", "heartbeat": utc_now()})

    stored.records.sessions.update("s", taken_over)
    assert stored.note_job(begun, QueuedJob("another", "IN_QUEUE"))
    assert stored.owned("s", None).job_id == "the-worker-s"
    # Its answer was lost, and it was submitted nevertheless.
    assert not stored.withdraw(begun)
    assert stored.owned("s", None).job_id == "the-worker-s"


def test_a_session_that_was_deleted_meanwhile_is_noted_nowhere(stored: SessionStore) -> None:
    begun = stored.begin(DEFAULT, "s")
    assert begun is not None
    stored.remove("s", None)
    assert not stored.note_job(begun, QueuedJob("job", "IN_QUEUE"))
    assert stored.withdraw(begun)
    assert list(stored.store.list("")) == []
    with pytest.raises(SessionNotFound):
        stored.remove("s", None)
