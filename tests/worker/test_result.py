"""worker/result.py: what may be answered, and how a failure is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import InternalError, ResultTooLarge, SessionNotFound
from engine.outages import StorageUnavailable
from worker.result import MAX_RESULT_BYTES, checked, failure


def test_a_result_comes_back_as_it_is() -> None:
    result = {"video_url": "outputs/a.mp4", "words": [{"text": "Zürich", "start": 0.0, "end": 0.5}], "nothing": None}
    assert checked(result) is result


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        [],
        "done",
        {"duration": float("nan")},
        {"duration": float("inf")},
        {"video": b"bytes"},
        {"words": [{"start": ...}]},
        {"metadata": "half a pair: \ud83d"},
        {("a", "b"): 1},
        {"error": None},
        {"error": "no_face"},
        {"refresh_worker": True},
    ],
    ids=repr,
)
def test_what_the_sdk_would_lose_is_an_internal_error(result: Any) -> None:
    with pytest.raises(InternalError):
        checked(result)


def test_a_result_that_holds_itself_is_an_internal_error() -> None:
    result: dict[str, Any] = {}
    result["again"] = result
    with pytest.raises(InternalError):
        checked(result)


def test_the_size_is_that_of_the_body_as_it_is_sent() -> None:
    around = len(b'{"output": {"video_base64": ""}}')
    most = MAX_RESULT_BYTES - around - 1
    checked({"video_base64": "x" * most})
    with pytest.raises(ResultTooLarge, match=str(MAX_RESULT_BYTES)):
        checked({"video_base64": "x" * (most + 1)})
    with pytest.raises(ResultTooLarge):
        checked({"video_base64": "ü" * (most // 2 + 1)})


def test_a_failure_is_json_text_in_error() -> None:
    answer = failure(SessionNotFound("There is no such session."), "job-1")
    assert set(answer) == {"error"}
    assert json.loads(answer["error"]) == {
        "code": "session_not_found",
        "message": "There is no such session.",
        "retryable": False,
        "request_id": "job-1",
    }


def test_an_outage_is_retryable_and_a_long_message_is_cut() -> None:
    error = json.loads(failure(StorageUnavailable("x" * 1_000_000 + "\ud83d"), "job-1")["error"])
    assert error["retryable"] is True
    assert len(error["message"]) == 4_000


def test_half_a_surrogate_pair_in_a_message_can_be_sent() -> None:
    assert failure(SessionNotFound("no \ud83d"), "job-1")["error"].encode()
