"""Text spoken by ElevenLabs through the whole worker: what is bought, how often, and what a refusal becomes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.elevenlabs import CHARACTER_SECONDS, CHARACTERS_A_LINE, Behaviour, ElevenLabsServer
from tests.worker.endpoint import Endpoint, error_of
from tests.worker.paid_voice import SENTENCE, SPEECH_KEY, account, wait_for
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground, Worker

TEXT = "Good morning to all of you."


@pytest.fixture(scope="module")
def worker(queue: QueueStandIn, ground: Ground, elevenlabs: ElevenLabsServer) -> Iterator[Worker]:
    settings = {"MAX_CONCURRENCY": "4", "DEFAULT_VOICE_ID": "houseVoice", "VOICE_ALIASES": "george=ownGeorge"}
    with Worker(queue, ground, "pod1", {**account(elevenlabs), **settings}) as worker:
        yield worker


@pytest.fixture(scope="module")
def session(endpoint: Endpoint, worker: Worker) -> str:
    return str(endpoint.output({"action": "create_session"})["session_id"])


@pytest.fixture
def bought(elevenlabs: ElevenLabsServer) -> Bought:
    return Bought(elevenlabs)


class Bought:
    """What has been asked of the server since the test began."""

    def __init__(self, server: ElevenLabsServer) -> None:
        self._server = server
        self._before = len(server.requests)

    def texts(self) -> list[str]:
        return [asked.body["text"] for asked in self._server.requests[self._before :]]

    def voices(self) -> list[str]:
        return [asked.voice_id for asked in self._server.requests[self._before :]]


def unfinished_speech(ground: Ground) -> set[str]:
    return {key for key in ground.stored("outputs/") if "/speech/" in key}


def test_a_text_is_spoken_by_the_account_with_its_words(
    endpoint: Endpoint, session: str, bought: Bought, ground: Ground, elevenlabs: ElevenLabsServer
) -> None:
    output = endpoint.output({"session_id": session, "text": TEXT})
    assert output["voice_used"] == "elevenlabs:houseVoice (eleven_multilingual_v2)"
    assert output["tts_characters"] == len(TEXT)
    assert [word["text"] for word in output["words"]] == TEXT.split()
    assert output["words"][1]["start"] == pytest.approx(len("Good ") * CHARACTER_SECONDS, abs=0.01)
    assert output["duration"] == pytest.approx(len(TEXT) * CHARACTER_SECONDS, abs=0.04)
    assert bought.texts() == [TEXT]
    assert elevenlabs.requests[-1].key == SPEECH_KEY
    assert unfinished_speech(ground) == set()


def test_the_video_is_drawn_while_its_speech_is_bought(
    endpoint: Endpoint, session: str, elevenlabs: ElevenLabsServer, ground: Ground
) -> None:
    elevenlabs.script(Behaviour.ON_COMMAND)
    elevenlabs.send_lines(1)
    job_id = endpoint.run({"session_id": session, "text": SENTENCE})
    endpoint.in_progress(job_id, lambda progress: progress.get("stage") == "drawing")
    assert unfinished_speech(ground) == set()
    elevenlabs.send_lines(-(-len(SENTENCE.strip()) // CHARACTERS_A_LINE) - 1)
    output = endpoint.ended(job_id)["output"]
    assert [word["text"] for word in output["words"]] == SENTENCE.split()
    assert output["duration"] == pytest.approx(len(SENTENCE.strip()) * CHARACTER_SECONDS, abs=0.04)


def test_a_voice_of_the_contract_is_the_operator_s_own(endpoint: Endpoint, session: str, bought: Bought) -> None:
    request = {"session_id": session, "text": "Hi.", "voice_id": "george", "voice_settings": {"speed": 0.9}}
    assert "ownGeorge" in endpoint.output(request)["voice_used"]
    assert bought.voices() == ["ownGeorge"]


REFUSALS: list[tuple[Behaviour, str, bool]] = [
    (Behaviour.INVALID_KEY, "tts_misconfigured", False),
    (Behaviour.ECHOED_KEY, "tts_rejected", False),
    (Behaviour.OLD_QUOTA, "tts_quota_exceeded", False),
    (Behaviour.VOICE_NOT_FOUND, "voice_not_available", False),
    (Behaviour.CUT_MID_STREAM, "tts_broken", True),
    (Behaviour.LATE_MALFORMED_LINE, "tts_broken", True),
]


@pytest.mark.parametrize(("behaviour", "code", "retryable"), REFUSALS, ids=[str(each[0]) for each in REFUSALS])
def test_a_refusal_has_its_code_and_changes_no_voice(
    endpoint: Endpoint,
    elevenlabs: ElevenLabsServer,
    session: str,
    bought: Bought,
    ground: Ground,
    behaviour: Behaviour,
    code: str,
    retryable: bool,
) -> None:
    before = ground.stored("outputs/")
    elevenlabs.script(behaviour)
    answer = endpoint.ended(endpoint.run({"session_id": session, "text": TEXT}))
    error = error_of(answer)
    assert (error["code"], error["retryable"]) == (code, retryable)
    assert SPEECH_KEY not in str(answer)
    assert bought.texts() == [TEXT]
    assert ground.stored("outputs/") == before
    assert ground.half_made() == set()


def test_a_moment_s_throttling_costs_a_moment(
    endpoint: Endpoint, elevenlabs: ElevenLabsServer, session: str, bought: Bought
) -> None:
    elevenlabs.script(Behaviour.TOO_MANY_CONCURRENT)
    assert endpoint.output({"session_id": session, "text": TEXT})["duration"] > 0
    assert bought.texts() == [TEXT, TEXT]


def test_a_retry_after_a_broken_stream_gives_the_video(
    endpoint: Endpoint, elevenlabs: ElevenLabsServer, session: str
) -> None:
    elevenlabs.script(Behaviour.CUT_MID_STREAM)
    job_id = endpoint.run({"session_id": session, "text": TEXT})
    assert error_of(endpoint.ended(job_id))["retryable"] is True
    endpoint.retry(job_id)
    assert endpoint.ended(job_id)["status"] == "COMPLETED"


def test_two_jobs_with_one_key_share_one_purchase_and_one_video(
    endpoint: Endpoint, session: str, bought: Bought, ground: Ground
) -> None:
    before = ground.stored("outputs/")
    request = {"session_id": session, "text": SENTENCE, "idempotency_key": "order 7 / ä"}
    first, second = (endpoint.ended(job_id) for job_id in [endpoint.run(request), endpoint.run(request)])
    assert first["id"] != second["id"]
    assert first["output"] == second["output"]
    assert endpoint.output(request) == first["output"]
    assert len(bought.texts()) == 1
    made = ground.stored("outputs/") - before
    assert {Path(key).parent for key in made} == {Path(first["output"]["video_key"]).parent}


def test_two_one_call_jobs_with_one_key_share_one_session(endpoint: Endpoint, worker: Worker, bought: Bought) -> None:
    request = {"text": TEXT, "idempotency_key": "one call"}
    first, second = (endpoint.ended(job_id)["output"] for job_id in [endpoint.run(request), endpoint.run(request)])
    assert first == second
    assert bought.texts() == [TEXT]


@pytest.mark.parametrize("change", [{"text": "Another text."}, {"start_seconds": 0.2}, {"voice_id": "other"}], ids=str)
def test_a_key_that_came_with_another_request_is_a_conflict(
    endpoint: Endpoint, session: str, bought: Bought, change: dict[str, Any]
) -> None:
    request = {"session_id": session, "text": TEXT, "idempotency_key": "taken"}
    endpoint.output(request)
    error = endpoint.error(request | change)
    assert (error["code"], error["retryable"]) == ("idempotency_conflict", False)
    assert bought.texts() in ([TEXT], [])


def test_a_session_deleted_while_its_speech_is_bought_stops_the_purchase(
    endpoint: Endpoint, elevenlabs: ElevenLabsServer, worker: Worker, bought: Bought, ground: Ground
) -> None:
    endpoint.output({"action": "create_session", "session_id": "brief"})
    elevenlabs.hung_up.clear()
    elevenlabs.script(Behaviour.STALL)
    job_id = endpoint.run({"session_id": "brief", "text": TEXT})
    wait_for(lambda: bought.texts() == [TEXT])
    endpoint.output({"action": "delete_session", "session_id": "brief"})
    assert error_of(endpoint.ended(job_id, 10))["code"] == "session_not_found"
    assert elevenlabs.hung_up.wait(2)
    assert not {key for key in ground.stored() if "/brief" in key}
