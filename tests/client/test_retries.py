"""When the client tries again, how long it waits, and what it never sends."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from talking_avatar import TalkingAvatarError

from tests.client.clients import Answers, Opening

URL = "http://avatar.example"
VIDEO = {
    "job_id": "j1",
    "session_id": "s1",
    "duration": 1.0,
    **{f"{kind}_url": f"/{kind}" for kind in ("video", "audio", "captions", "subtitles", "thumbnail")},
}


def refusal(status: int, code: str, retryable: bool, after: int | None = None) -> httpx.Response:
    body = {"error": code, "detail": "A sentence that says what to do.", "retryable": retryable, "request_id": "r1"}
    return httpx.Response(status, json=body, headers={} if after is None else {"Retry-After": str(after)})


def made() -> httpx.Response:
    return httpx.Response(200, json=VIDEO)


def spoken(opening: Opening, *replies: httpx.Response | Exception, **more: Any) -> tuple[Any, Answers]:
    answers = Answers(*replies)
    with opening(URL, "ta_key", **answers.arguments(opening), **more) as avatar:
        try:
            return avatar.speak("s1", "Hello."), answers
        except TalkingAvatarError as error:
            return error, answers


def test_it_waits_as_long_as_the_server_asks(opening: Opening) -> None:
    limited, full = refusal(429, "rate_limited", True, 7), refusal(503, "overloaded", True, 5)
    video, answers = spoken(opening, limited, full, made())
    assert video.job_id == "j1"
    assert answers.pauses == [7, 5]
    assert len({request.headers["Idempotency-Key"] for request in answers.requests}) == 1
    assert {request.headers["Authorization"] for request in answers.requests} == {"Bearer ta_key"}


def test_a_wait_beyond_its_patience_is_told_at_once(opening: Opening) -> None:
    error, answers = spoken(opening, refusal(429, "budget_exceeded", True, 3600))
    assert (error.code, error.status, error.retry_after, error.request_id) == ("budget_exceeded", 429, 3600, "r1")
    assert answers.pauses == []


def test_its_patience_ends(opening: Opening) -> None:
    error, answers = spoken(opening, *[refusal(503, "overloaded", True, 4) for _ in range(9)], patience=10)
    assert (error.code, answers.pauses) == ("overloaded", [4, 4])


def test_a_request_that_goes_on_is_waited_for(opening: Opening) -> None:
    running = [refusal(504, "still_running", False) for _ in range(3)]
    video, answers = spoken(opening, *running, refusal(409, "request_in_progress", True, 5), made(), patience=1)
    assert video.job_id == "j1"
    assert answers.pauses == [0, 0, 0, 5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_what_cannot_be_mended_is_told_at_once(opening: Opening, status: int) -> None:
    error, answers = spoken(opening, refusal(status, "whatever", False))
    assert (error.code, error.detail, error.status) == ("whatever", "A sentence that says what to do.", status)
    assert len(answers.requests) == 1


def test_a_connection_that_breaks_is_made_again_ever_more_slowly(opening: Opening) -> None:
    broken = [httpx.ReadError("x"), httpx.ConnectError("x"), httpx.RemoteProtocolError("x")]
    video, answers = spoken(opening, *broken, httpx.Response(502, text="<html>"), made())
    assert video.job_id == "j1"
    for pause, usual in zip(answers.pauses, (0.5, 1, 2, 4), strict=True):
        assert 0.75 * usual <= pause <= 1.25 * usual


def test_a_stream_is_asked_for_again_only_where_nothing_has_begun(opening: Opening) -> None:
    replies: list[tuple[httpx.Response | Exception, int]] = [
        (httpx.ConnectError("x"), 2),
        (refusal(503, "overloaded", True, 1), 2),
        (httpx.ReadError("x"), 1),
        (httpx.Response(502, text="<html>"), 1),
        (refusal(500, "interrupted", True), 1),
    ]
    for reply, tried in replies:
        answers = Answers(reply, httpx.Response(200, content=b"video"))
        with opening(URL, **answers.arguments(opening)) as avatar:
            if tried == 2:
                assert b"".join(avatar.stream("s1", "Hello.")) == b"video"
            else:
                with pytest.raises(TalkingAvatarError):
                    next(avatar.stream("s1", "Hello."))
        assert len(answers.requests) == tried
        assert "Idempotency-Key" not in answers.requests[0].headers


def test_no_other_server_is_shown_the_key(opening: Opening, tmp_path: Any) -> None:
    answers = Answers(httpx.Response(200, json={**VIDEO, "video_url": "https://elsewhere.example/v.mp4"}))
    with opening(URL, "ta_key", **answers.arguments(opening)) as avatar:
        video = avatar.speak("s1", "Hello.")
        with pytest.raises(TalkingAvatarError, match="foreign_address"):
            avatar.save_video(video, tmp_path / "v.mp4")
    assert len(answers.requests) == 1


def test_a_job_is_waited_for_and_its_failure_is_the_servers(opening: Opening) -> None:
    def job(status: str, **more: Any) -> httpx.Response:
        return httpx.Response(200, json={"job_id": "j1", "status": status, "progress": 0.5, **more})

    told: list[tuple[str, float]] = []
    failure = {"error": "audio_silent", "detail": "Nothing is heard.", "retryable": False}
    answers = Answers(
        httpx.Response(202, json={"job_id": "j1", "status": "queued", "progress": 0.0, "queue_position": 3}),
        job("running", stage="drawing"),
        job("done", result=VIDEO),
        job("failed", error=failure),
        job("cancelled"),
    )
    with opening(URL, **answers.arguments(opening)) as avatar:
        queued = avatar.submit("s1", "Hello.", webhook_url="https://me.example/hook")
        assert (queued.status, queued.queue_position, queued.video) == ("queued", 3, None)
        video = avatar.wait(queued, progress=lambda stage, share: told.append((stage, share)))
        assert video.video_url == "/video"
        with pytest.raises(TalkingAvatarError, match="audio_silent"):
            avatar.wait("j1")
        assert avatar.cancel("j1").status == "cancelled"
    assert told == [("drawing", 0.5), ("done", 1.0)]
    submitted, cancelled = answers.requests[0], answers.requests[-1]
    assert str(submitted.url) == f"{URL}/api/v1/generate/text-to-video?async=true"
    assert json.loads(submitted.content)["webhook_url"] == "https://me.example/hook"
    assert "Idempotency-Key" in submitted.headers
    assert (cancelled.method, cancelled.url.path) == ("POST", "/api/v1/jobs/j1/cancel")


def test_waiting_ends(opening: Opening) -> None:
    preparing = httpx.Response(200, json={"session_id": "s1", "status": "preparing", "message": "Half way."})
    answers = Answers(preparing)
    with opening(URL, **answers.arguments(opening)) as avatar, pytest.raises(TalkingAvatarError) as late:
        avatar.wait_until_ready("s1", seconds=0)
    assert (late.value.code, late.value.retryable) == ("timeout", True)
