"""The ElevenLabs voice against a server that speaks its contract, well and badly."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from engine.cancel import Cancelled, CancelToken
from engine.errors import (
    EngineError,
    InvalidText,
    TextTooLong,
    TtsMisconfigured,
    TtsQuotaExceeded,
    TtsRejected,
    VoiceNotAvailable,
)
from engine.outages import Interrupted, TtsBroken, TtsBusy, TtsUnavailable
from engine.speech.elevenlabs import ElevenLabsVoice
from engine.speech.elevenlabs_api import ElevenLabsApi
from engine.speech.event_loop import EventLoopThread
from engine.speech.settings import SpeechSettings
from engine.speech.voice import Samples, SpeechPiece, SpeechRequest, Utterance, VoiceSettings, Word
from tests.servers.elevenlabs import CHARACTER_SECONDS, CHARACTERS_A_LINE, Behaviour, ElevenLabsServer
from tests.servers.wire import wire

KEY = "sk_a1b2c3d4e5f6"
TEXT = 'He said: "Hello, 2026!" — and the café was open until late that night.'


@dataclass
class Rig:
    """A voice, the server that it asks, and the waits that it would have made."""

    server: ElevenLabsServer
    waits: list[float] = field(default_factory=list)
    voices: list[ElevenLabsVoice] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def voice(self, jitter: float = 0.5, **settings: object) -> ElevenLabsVoice:
        read = SpeechSettings.model_validate({"elevenlabs_base_url": self.server.base_url, **settings})
        api = ElevenLabsApi(read, SecretStr(KEY), httpx.AsyncClient(), self.sleep, lambda: jitter)
        self.voices.append(ElevenLabsVoice(read, api, EventLoopThread("test voice")))
        return self.voices[-1]


@pytest.fixture
def server() -> Iterator[ElevenLabsServer]:
    with ElevenLabsServer() as running:
        yield running


@pytest.fixture
def rig(server: ElevenLabsServer) -> Iterator[Rig]:
    made = Rig(server)
    yield made
    for voice in made.voices:
        voice.close()


def begun(voice: ElevenLabsVoice, text: str = TEXT, cancel: CancelToken | None = None) -> Utterance:
    return voice.speak(SpeechRequest(text), cancel or CancelToken())


def spoken(voice: ElevenLabsVoice, text: str = TEXT) -> list[SpeechPiece]:
    return list(begun(voice, text).pieces)


def sound(pieces: list[SpeechPiece]) -> Samples:
    return np.concatenate([piece.samples for piece in pieces])


def words(pieces: list[SpeechPiece]) -> list[Word]:
    return [word for piece in pieces for word in piece.words]


def failure(voice: ElevenLabsVoice, text: str = TEXT) -> EngineError:
    with pytest.raises(EngineError) as raised:
        spoken(voice, text)
    return raised.value


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 3
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_the_request_is_what_the_service_expects(rig: Rig) -> None:
    voice = rig.voice()
    settings = VoiceSettings(stability=0.4, speed=1.1, use_speaker_boost=False)
    utterance = voice.speak(SpeechRequest(TEXT, "AbC-1_2", "eleven_flash_v2_5", settings), CancelToken())
    list(utterance.pieces)
    (asked,) = rig.server.requests
    assert (asked.voice_id, asked.output_format, asked.key) == ("AbC-1_2", "pcm_24000", KEY)
    assert asked.body == {
        "text": TEXT,
        "model_id": "eleven_flash_v2_5",
        "voice_settings": {"stability": 0.4, "speed": 1.1, "use_speaker_boost": False},
    }
    assert utterance.voice_used == "elevenlabs:AbC-1_2 (eleven_flash_v2_5)"
    assert utterance.characters == len(TEXT)


def test_what_is_not_asked_for_is_the_default_and_not_sent(rig: Rig) -> None:
    spoken(rig.voice(default_voice_id="mine", default_model_id="eleven_turbo_v2_5"))
    (asked,) = rig.server.requests
    assert asked.voice_id == "mine"
    assert asked.body == {"text": TEXT, "model_id": "eleven_turbo_v2_5"}


def test_an_alias_is_spoken_in_the_voices_place(rig: Rig) -> None:
    voice = rig.voice(voice_aliases="JBFqnCBsd6RMkjVDRZzb=clone1, other=clone2")
    assert begun(voice).voice_used.startswith("elevenlabs:clone1 ")
    list(begun(voice).pieces)
    assert rig.server.requests[0].voice_id == "clone1"


@pytest.mark.parametrize("output_format", ["pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"])
def test_sound_has_its_length_and_its_tone_in_every_format(rig: Rig, output_format: str) -> None:
    made = sound(spoken(rig.voice(elevenlabs_output_format=output_format)))
    assert abs(made.size - len(TEXT) * CHARACTER_SECONDS * 48_000) <= 3
    wanted = 9_000 * np.cos(2 * np.pi * 300 * np.arange(made.size) / 48_000)
    middle = slice(1_000, -1_000)
    assert np.abs(made[middle] - wanted[middle]).max() < 100
    assert np.abs(made[[0, -1]].astype(int)).max() < 200


@pytest.mark.parametrize("behaviour", [Behaviour.GOOD, Behaviour.SMALL_WRITES, Behaviour.ODD_LINES, Behaviour.SLOW])
def test_words_and_sound_do_not_depend_on_how_the_reply_is_cut(rig: Rig, behaviour: Behaviour) -> None:
    voice = rig.voice()
    whole = spoken(voice)
    rig.server.script(behaviour)
    again = spoken(voice)
    np.testing.assert_array_equal(sound(again), sound(whole))
    assert words(again) == words(whole)


def test_words_are_the_texts_and_in_time(rig: Rig) -> None:
    made = words(spoken(rig.voice()))
    assert " ".join(word.text for word in made) == TEXT
    assert [word.text for word in made][2:5] == ['"Hello,', '2026!" —', "and"]
    for word in made[:2] + made[-2:]:
        at = TEXT.index(word.text) * CHARACTER_SECONDS
        assert word.start == pytest.approx(at, abs=0.001)
        assert word.end == pytest.approx(at + len(word.text) * CHARACTER_SECONDS, abs=0.001)


def test_a_word_comes_with_the_piece_that_ends_it(rig: Rig) -> None:
    heard = 0
    for piece in spoken(rig.voice()):
        heard += piece.samples.size
        assert all(word.end <= heard / 48_000 + 0.01 for word in piece.words)


def test_pieces_come_while_the_service_still_speaks(rig: Rig) -> None:
    rig.server.script(Behaviour.STALL)
    pieces = begun(rig.voice()).pieces
    assert next(pieces).samples.size > 10_000
    assert isinstance(pieces, Iterator)


def test_all_sound_of_a_line_but_6_ms_is_there_before_the_next_line_is_sent(rig: Rig) -> None:
    voice = rig.voice()
    whole = sound(spoken(voice))
    rig.server.script(Behaviour.ON_COMMAND)
    pieces = begun(voice).pieces
    rig.server.send_lines(1)
    first = next(pieces).samples
    assert first.size >= (CHARACTERS_A_LINE * CHARACTER_SECONDS - 0.006) * 48_000
    rig.server.send_lines(-(-len(TEXT) // CHARACTERS_A_LINE) - 1)
    np.testing.assert_array_equal(np.concatenate([first, *(piece.samples for piece in pieces)]), whole)


def test_a_long_text_is_spoken_in_parts_with_context(rig: Rig) -> None:
    sentences = [f"This is sentence number {index} of a long text." for index in range(300)]
    text = " ".join(sentences)
    pieces = spoken(rig.voice(elevenlabs_output_format="pcm_16000"), text)
    bodies = [asked.body for asked in rig.server.requests]
    assert len(bodies) == 2
    assert all(len(body["text"]) <= 10_000 and body["text"].endswith(".") for body in bodies)
    assert " ".join(body["text"] for body in bodies) == text
    assert bodies[0]["next_text"] == bodies[1]["text"][:300]
    assert bodies[1]["previous_text"] == bodies[0]["text"][-300:]
    assert "previous_text" not in bodies[0]
    assert "next_text" not in bodies[1]
    assert [word.text for word in words(pieces)] == text.split()
    first_of_second = words(pieces)[len(bodies[0]["text"].split())]
    assert first_of_second.start == pytest.approx(len(bodies[0]["text"]) * CHARACTER_SECONDS, abs=0.01)


def test_parts_join_without_a_click(rig: Rig) -> None:
    text = "A sentence of words. " * 150
    made = sound(spoken(rig.voice(default_model_id="eleven_v3"), text))
    first, second = (asked.body for asked in rig.server.requests)
    assert first.keys() == second.keys() == {"text", "model_id"}
    join = round(len(first["text"]) * CHARACTER_SECONDS * 48_000)
    around = made[join - 480 : join + 480].astype(int)
    assert np.abs(around[479:481]).max() < 500
    # The tone itself, at its steepest, climbs 354 from sample to sample.
    assert np.abs(np.diff(around)).max() < 450


def test_times_beyond_the_sound_stay_within_their_part(rig: Rig) -> None:
    rig.server.script(Behaviour.LATE_TIMES, Behaviour.LATE_TIMES)
    text = "A sentence of words. " * 150
    pieces = spoken(rig.voice(default_model_id="eleven_v3"), text)
    times = [time for word in words(pieces) for time in (word.start, word.end)]
    assert [word.text for word in words(pieces)] == text.split()
    assert times == sorted(times)
    assert times[-1] <= sound(pieces).size / 48_000


def test_a_model_of_unknown_limits_gets_short_parts_without_context(rig: Rig) -> None:
    spoken(rig.voice(default_model_id="eleven_next"), "A sentence of words. " * 150)
    assert [asked.body.keys() for asked in rig.server.requests] == [{"text", "model_id"}] * 2


@pytest.mark.parametrize(
    ("behaviour", "error", "status", "code"),
    [
        (Behaviour.INVALID_KEY, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.UNUSUAL_ACTIVITY, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.FORBIDDEN_FORMAT, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.HTML_403, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.UNKNOWN_PATH, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.REDIRECT, TtsMisconfigured, 502, "tts_misconfigured"),
        (Behaviour.OLD_QUOTA, TtsQuotaExceeded, 503, "tts_quota_exceeded"),
        (Behaviour.NO_CREDITS, TtsQuotaExceeded, 503, "tts_quota_exceeded"),
        (Behaviour.PAID_FORMAT, TtsQuotaExceeded, 503, "tts_quota_exceeded"),
        (Behaviour.PAID_VOICE, VoiceNotAvailable, 400, "voice_not_available"),
        (Behaviour.VOICE_NOT_FOUND, VoiceNotAvailable, 400, "voice_not_available"),
        (Behaviour.OLD_VOICE_NOT_FOUND, VoiceNotAvailable, 400, "voice_not_available"),
        (Behaviour.TEXT_TOO_LONG, TextTooLong, 400, "text_too_long"),
        (Behaviour.UNSUPPORTED_MODEL, TtsRejected, 400, "tts_rejected"),
        (Behaviour.VALIDATION, TtsRejected, 400, "tts_rejected"),
    ],
)
def test_what_will_not_change_is_asked_once(
    rig: Rig, behaviour: Behaviour, error: type[EngineError], status: int, code: str
) -> None:
    rig.server.script(behaviour)
    raised = failure(rig.voice())
    assert type(raised) is error
    assert (raised.http_status, raised.code, raised.retryable) == (status, code, False)
    assert len(rig.server.requests) == 1
    assert rig.waits == []


@pytest.mark.parametrize(
    ("behaviour", "error", "waits"),
    [
        (Behaviour.TOO_MANY_CONCURRENT, TtsBusy, [0.75, 1.5, 3.0]),
        (Behaviour.SYSTEM_BUSY, TtsBusy, [1, 2, 4]),
        (Behaviour.RATE_LIMIT, TtsBusy, [1, 2, 4]),
        (Behaviour.PLAIN_429, TtsBusy, [1, 2, 4]),
        (Behaviour.SERVER_ERROR, TtsUnavailable, [0.5, 1, 2]),
        (Behaviour.HTML_502, TtsUnavailable, [0.5, 1, 2]),
        (Behaviour.CUT_AT_ONCE, TtsUnavailable, [0.5, 1, 2]),
        (Behaviour.MALFORMED_LINE, TtsBroken, [0.5, 1, 2]),
        (Behaviour.TRUNCATED_BASE64, TtsBroken, [0.5, 1, 2]),
        (Behaviour.UNEQUAL_ALIGNMENT, TtsBroken, [0.5, 1, 2]),
        (Behaviour.HTML_200, TtsBroken, [0.5, 1, 2]),
    ],
)
def test_what_may_pass_is_asked_again_then_told(
    rig: Rig, behaviour: Behaviour, error: type[EngineError], waits: list[float]
) -> None:
    rig.server.script(behaviour, behaviour, behaviour)
    assert sound(spoken(rig.voice())).size > 100_000
    assert rig.waits == waits
    rig.server.script(*[behaviour] * 4)
    raised = failure(rig.voice())
    assert type(raised) is error
    assert (raised.http_status, raised.retryable) == (503, True)
    assert rig.waits == waits + waits
    assert len(rig.server.requests) == 8


def test_waits_are_jittered_by_a_quarter(rig: Rig) -> None:
    rig.server.script(Behaviour.SYSTEM_BUSY)
    spoken(rig.voice(jitter=0.0))
    rig.server.script(Behaviour.SYSTEM_BUSY)
    spoken(rig.voice(jitter=1.0))
    assert rig.waits == [0.75, 1.25]


@pytest.mark.parametrize(
    "behaviour", [Behaviour.CUT_MID_STREAM, Behaviour.LATE_MALFORMED_LINE, Behaviour.ODD_PCM, Behaviour.NO_SOUND]
)
def test_after_the_first_sound_nothing_is_asked_again(rig: Rig, behaviour: Behaviour) -> None:
    rig.server.script(behaviour)
    raised = failure(rig.voice())
    assert type(raised) is TtsBroken
    assert raised.retryable
    assert len(rig.server.requests) == 1


def test_a_later_part_is_asked_again_as_long_as_none_of_it_came(rig: Rig) -> None:
    rig.server.script(Behaviour.GOOD, Behaviour.SERVER_ERROR)
    text = "A sentence of words. " * 150
    pieces = spoken(rig.voice(default_model_id="eleven_v3"), text)
    assert [word.text for word in words(pieces)] == text.split()
    assert len(rig.server.requests) == 3


def test_no_server_at_all_is_unavailable(rig: Rig) -> None:
    raised = failure(rig.voice(elevenlabs_base_url="http://127.0.0.1:9"))
    assert type(raised) is TtsUnavailable
    assert rig.waits == [0.5, 1, 2]


def test_a_missing_voice_names_the_voice_and_the_setting(rig: Rig) -> None:
    rig.server.script(Behaviour.VOICE_NOT_FOUND)
    message = failure(rig.voice(default_voice_id="lost-voice")).message
    assert "lost-voice" in message
    assert "VOICE_ALIASES" in message


@pytest.mark.parametrize("voice_id", ["../../v1/user", "a/b", "a?b", "", " ", "x" * 65])
def test_a_voice_id_cannot_reach_another_path(rig: Rig, voice_id: str) -> None:
    request = SpeechRequest(TEXT, voice_id=voice_id or " ")
    with pytest.raises(VoiceNotAvailable):
        rig.voice().speak(request, CancelToken())
    assert rig.server.requests == []


def test_text_that_cannot_be_spoken_costs_no_request(rig: Rig) -> None:
    with pytest.raises(InvalidText):
        begun(rig.voice(), "...")
    assert rig.server.requests == []


def test_the_key_is_shown_nowhere(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    voice = rig.voice()
    rig.server.script(Behaviour.ECHOED_KEY)
    raised = failure(voice)
    assert type(raised) is TtsRejected
    assert "***" in raised.message
    assert len(raised.message) < 400
    assert "\n" not in raised.message
    for behaviour in (Behaviour.INVALID_KEY, Behaviour.GOOD):
        rig.server.script(behaviour)
        list(_until_error(voice))
    shown = [caplog.text, repr(raised), *traceback.format_exception(raised), repr(voice), repr(vars(voice))]
    assert "127.0.0.1" in caplog.text
    assert KEY not in "".join(shown)


def _until_error(voice: ElevenLabsVoice) -> Iterator[SpeechPiece]:
    try:
        yield from begun(voice).pieces
    except TtsMisconfigured:
        return


def test_requests_at_once_are_limited_and_all_are_served(rig: Rig) -> None:
    rig.server.script(*[Behaviour.SLOW] * 6)
    voice = rig.voice(elevenlabs_concurrency=2)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: sound(spoken(voice)), range(6)))
    assert rig.server.most_at_once == 2
    for one in made[1:]:
        np.testing.assert_array_equal(one, made[0])


@pytest.mark.parametrize("behaviour", [Behaviour.HANG, Behaviour.STALL])
def test_cancelling_closes_the_connection_at_once(rig: Rig, behaviour: Behaviour) -> None:
    rig.server.script(behaviour)
    voice = rig.voice(elevenlabs_concurrency=1)
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        list(begun(voice, cancel=cancel).pieces)
    assert time.monotonic() - started < 10
    assert rig.server.hung_up.wait(10)
    assert sound(spoken(voice)).size > 100_000


def test_leaving_the_pieces_closes_the_connection(rig: Rig) -> None:
    rig.server.script(Behaviour.STALL)
    pieces = begun(rig.voice()).pieces
    next(pieces)
    del pieces
    assert rig.server.hung_up.wait(2)


def test_waiting_for_a_slot_can_be_cancelled(rig: Rig) -> None:
    rig.server.script(Behaviour.STALL)
    voice = rig.voice(elevenlabs_concurrency=1)
    speaking = begun(voice).pieces
    next(speaking)
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        list(begun(voice, cancel=cancel).pieces)
    assert len(rig.server.requests) == 1
    del speaking
    assert sound(spoken(voice)).size > 100_000


def test_a_cancelled_job_asks_nothing(rig: Rig) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(begun(rig.voice(), cancel=cancel).pieces)
    assert rig.server.requests == []


def test_a_slow_listener_does_not_hold_the_slot(rig: Rig) -> None:
    voice = rig.voice(elevenlabs_concurrency=1)
    slow = begun(voice, TEXT * 20).pieces
    next(slow)
    assert sound(spoken(voice)).size > 100_000
    assert sum(piece.samples.size for piece in slow) > 1_000_000


def test_closing_the_voice_ends_what_speaks(rig: Rig) -> None:
    rig.server.script(Behaviour.STALL)
    voice = rig.voice()
    rig.voices.remove(voice)
    pieces = begun(voice).pieces
    next(pieces)
    voice.close()
    with pytest.raises(Interrupted):
        list(pieces)
    assert until(rig.server.hung_up.is_set)


def test_no_utterance_goes_over_a_connection_of_an_earlier_one(server: ElevenLabsServer) -> None:
    """It may have died unnoticed while the machine slept, and would be waited for as long as for a long text."""
    with wire(server.base_url) as line:
        settings = SpeechSettings.model_validate({"elevenlabs_base_url": line.address})
        voice = ElevenLabsVoice.over_network(settings, SecretStr(KEY))
        try:
            spoken(voice)
            line.deafen()
            begin = time.monotonic()
            spoken(voice)
            assert time.monotonic() - begin < 10
        finally:
            voice.close()
