"""The verdict on jobs: what is lost, doubled or not as it was told is found."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.chaos.accounts import Accounts, settled
from tests.chaos.callers import Acknowledged
from tests.chaos.findings import Findings
from tests.chaos.visits import Asked
from tests.worker.clips import grey_clip
from tests.worker.queue_jobs import Post, QueuedJob

FRAMES = 5
FOLDER = "outputs/s/job-0123abcd"
VIDEO = f"{FOLDER}/video.mp4"
OUTPUT = {"session_id": "s", "video_key": VIDEO, "frames": FRAMES, "duration": FRAMES / 25}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return grey_clip(tmp_path_factory.mktemp("clip") / "video.mp4", FRAMES).read_bytes()


def job(status: Any = "COMPLETED", output: Any = None, error: str | None = None) -> QueuedJob:
    return QueuedJob("job", {"input": {}}, status, output, error)


def error(code: str, request_id: str = "job") -> str:
    return json.dumps({"code": code, "message": "No.", "retryable": True, "request_id": request_id})


def asked(ends: Any = "video", frames: int | None = FRAMES, **job_input: Any) -> Asked:
    return Asked({"session_id": "s", **job_input}, ends, frames=frames)


def accounts(
    queued: QueuedJob, objects: dict[str, bytes], told: Asked | None = None, *, cancelled: bool = False
) -> Accounts:
    return settled([Acknowledged("job", told or asked(), cancelled)], [queued], objects)


def end(found: Accounts) -> str:
    """Of the one job, once what was said of it has been seen to agree."""
    right = found.ends["job"] != "lost" and not found.doubled
    assert right or found.wrong
    assert Findings(found, 0, (), 0, ()).is_right == (not found.wrong)
    return found.ends["job"]


def test_a_whole_video_is_a_result(video: bytes) -> None:
    found = accounts(job(output=OUTPUT), {VIDEO: video})
    assert (end(found), found.wrong) == ("result", ())


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "TIMED_OUT"])
def test_a_job_without_an_end_is_lost(status: str) -> None:
    assert end(accounts(job(status), {})) == "lost"


def test_a_job_that_the_queue_has_forgotten_is_lost() -> None:
    assert end(settled([Acknowledged("job", asked())], [], {})) == "lost"


@pytest.mark.parametrize("output", [None, {}, "done"])
def test_a_job_that_is_completed_without_an_output_is_lost(output: Any) -> None:
    assert end(accounts(job(output=output), {})) == "lost"


def test_a_result_whose_video_is_missing_cut_short_or_of_another_length_is_lost(video: bytes) -> None:
    assert end(accounts(job(output=OUTPUT), {})) == "lost"
    assert end(accounts(job(output=OUTPUT), {VIDEO: video[: len(video) // 2]})) == "lost"
    assert end(accounts(job(output=OUTPUT), {VIDEO: video}, asked(frames=FRAMES + 1))) == "lost"
    assert end(accounts(job(output={**OUTPUT, "duration": 3.0}), {VIDEO: video})) == "lost"


def test_what_was_made_in_a_deleted_session_may_be_gone() -> None:
    deletion = Acknowledged("deletion", asked("deleted"))
    done = QueuedJob("deletion", {}, "COMPLETED", {"message": "Gone."})
    found = settled([Acknowledged("job", asked()), deletion], [job(output=OUTPUT), done], {})
    assert (dict(found.ends), found.wrong) == ({"job": "result", "deletion": "result"}, ())


def test_a_deleted_session_that_is_still_there_is_told() -> None:
    assert end(accounts(job(output={"message": "Gone."}), {"sessions/s.json": b"{}"}, asked("deleted"))) == "lost"


@pytest.mark.parametrize(
    "output",
    [{"session_id": "s", "status": "preparing"}, {"session_id": "elsewhere", "status": "ready"}, {"message": "Made."}],
)
def test_a_session_that_is_not_ready_or_not_there_is_no_result(output: dict[str, str]) -> None:
    kept = {"sessions/s.json": b"{}"}
    assert end(accounts(job(output={"session_id": "s", "status": "ready"}), kept, asked("session"))) == "result"
    assert end(accounts(job(output=output), kept, asked("session"))) == "lost"
    assert end(accounts(job(output={"message": "Made."}), kept)) == "lost"


def test_a_typed_error_is_an_end_and_any_other_error_is_not() -> None:
    found = accounts(job("FAILED", error=error("storage_unavailable")), {})
    assert (end(found), found.wrong, found.codes) == ("error", (), {"storage_unavailable": 1})
    for untyped in (None, "Traceback", '{"code": "x"}', error("no_such_code"), error("storage_full", "another")):
        assert end(accounts(job("FAILED", error=untyped), {})) == "lost"


def test_a_defect_is_told_although_it_is_typed() -> None:
    found = accounts(job("FAILED", error=error("internal_error")), {})
    assert end(found) == "error"
    assert "a defect" in found.wrong[0]


def test_a_job_may_be_given_up_only_after_two_workers_have_died_at_it() -> None:
    given_up = job("FAILED", error=error("keeps_crashing"))
    given_up.handed_to += ["pod0", "pod1", "pod2"]
    told = [Acknowledged("job", asked())]
    assert settled(told, [given_up], {}, {"pod0", "pod1"}).wrong == ()
    assert "there died pod1" in settled(told, [given_up], {}, {"pod1"}).wrong[0]


def test_what_is_of_no_use_may_not_succeed_and_what_is_may_not_be_called_invalid(video: bytes) -> None:
    assert end(accounts(job(output=OUTPUT), {VIDEO: video}, asked("refused"))) == "lost"
    assert accounts(job("FAILED", error=error("invalid_input")), {}).wrong
    assert not accounts(job("FAILED", error=error("invalid_input")), {}, asked("refused")).wrong


def test_only_who_was_asked_to_is_cancelled() -> None:
    assert end(accounts(job("CANCELLED"), {}, cancelled=True)) == "cancelled"
    assert end(accounts(job("CANCELLED"), {})) == "lost"


def test_two_different_results_of_a_job_are_one_too_many(video: bytes) -> None:
    again = VIDEO.replace("0123abcd", "4567cdef")
    reported = job(output=OUTPUT)
    reported.posts += [
        Post(time.monotonic(), "pod", {"output": {**OUTPUT, "video_key": key}}) for key in (VIDEO, again)
    ]
    assert accounts(reported, {VIDEO: video}).doubled == {"job"}
    assert accounts(job(output=OUTPUT), {VIDEO: video, again: video}).doubled == {"job"}
    same = job(output=OUTPUT)
    same.posts += [Post(time.monotonic(), "pod", {"output": OUTPUT})] * 2
    assert not accounts(same, {VIDEO: video}).doubled


def test_one_key_gives_one_result(video: bytes) -> None:
    keys = ("outputs/s/a-0123abcd/video.mp4", "outputs/s/b-0123abcd/video.mp4")
    jobs = [
        QueuedJob(each, {}, "COMPLETED", {**OUTPUT, "video_key": key}) for each, key in zip("ab", keys, strict=True)
    ]
    for each in jobs:
        each.posts.append(Post(time.monotonic(), "pod", {"output": each.output}))
    told = [Acknowledged(each, asked(idempotency_key="k")) for each in "ab"]
    found = settled(told, jobs, dict.fromkeys(keys, video))
    assert (list(found.doubled), found.count("lost")) == (["b"], 0)
    assert end_line(found).startswith(
        "chaos: 2 jobs: NOT AS PROMISED: 2 results, 0 typed errors, 0 cancelled, 0 lost, 1 d"
    )


def end_line(found: Accounts) -> str:
    return Findings(found, 2, (), 0, ()).last_line()


def test_the_last_line_counts_everything(video: bytes) -> None:
    found = accounts(job(output=OUTPUT), {VIDEO: video})
    assert Findings(found, 1204, (), 3, ()).last_line() == (
        "chaos: 1 jobs: 1 results, 0 typed errors, 0 cancelled, 0 lost, 0 doubled; 1,204 objects whole, 0 torn, "
        "3 leftovers collected, 0 unreferenced"
    )
    for planted in (("torn",), (), ()), ((), ("unreferenced",), ()), ((), (), ("half made",)):
        torn, unreferenced, complaints = planted
        bad = Findings(found, 1204, torn, 3, unreferenced, complaints)
        assert not bad.is_right
        assert "NOT AS PROMISED" in bad.last_line()
        assert len(list(bad.wrong())) == 1
