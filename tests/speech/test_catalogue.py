"""What voices and models there are, as an account of ElevenLabs, espeak-ng and nobody tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from engine.cancel import CancelToken
from engine.errors import TtsMisconfigured
from engine.outages import TtsBroken, TtsUnavailable
from engine.speech.catalogue import Catalogue, CatalogueVoice
from engine.speech.choose import UnconfiguredCatalogue, choose_catalogue, choose_voice
from engine.speech.elevenlabs_catalogue import ElevenLabsCatalogue
from engine.speech.settings import SpeechSettings
from engine.speech.voice import SpeechRequest
from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.servers.elevenlabs_account import GEORGE, HIDDEN, PAID, RACHEL, SHARED

KEY = "sk_a1b2c3d4e5f6"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ElevenLabsServer]:
    with ElevenLabsServer() as running:
        yield running


def settings(server: ElevenLabsServer, **fields: Any) -> SpeechSettings:
    own = {"elevenlabs_api_key": KEY, "elevenlabs_base_url": server.base_url}
    return SpeechSettings.model_validate({**own, **fields})


def fetched(server: ElevenLabsServer, **fields: Any) -> Catalogue:
    return asyncio.run(choose_catalogue(settings(server, **fields)).fetch(NOW))


def by_id(catalogue: Catalogue) -> dict[str, CatalogueVoice]:
    return {voice.id: voice for voice in catalogue.voices}


def test_all_pages_of_an_accounts_voices_are_told(server: ElevenLabsServer) -> None:
    catalogue = fetched(server)
    assert server.listings.count("/v2/voices") == 2
    assert (catalogue.provider, catalogue.fetched_at) == ("elevenlabs", NOW)
    assert [voice.id for voice in catalogue.voices] == [GEORGE, RACHEL, PAID, SHARED]
    george, rachel = catalogue.voices[:2]
    assert (george.name, george.description, george.languages) == ("George", "Warm.", ("en", "fr"))
    assert (george.preview_url, george.default) == (f"https://storage.example/{GEORGE}.mp3", True)
    assert (rachel.languages, rachel.default) == (("en",), False)
    assert rachel.labels == {"accent": "american", "gender": "female", "age": "young", "language": "en"}


@pytest.mark.parametrize(
    ("tier", "available"),
    [
        ("free", [True, True, False, False]),
        ("starter", [True, True, False, True]),
        ("pro", [True, True, True, True]),
        (None, [None, None, None, None]),
    ],
)
def test_the_plan_says_which_voices_it_has(
    server: ElevenLabsServer, tier: str | None, available: list[bool | None]
) -> None:
    server.account.tier = tier
    assert [voice.available for voice in fetched(server).voices] == available


def test_models_are_those_that_speak(server: ElevenLabsServer) -> None:
    known, coming = fetched(server, default_model_id="eleven_next").models
    assert (known.id, known.name, known.languages) == ("eleven_multilingual_v2", "Eleven Multilingual V2", ("en", "de"))
    assert (known.max_characters, known.available, known.default) == (10_000, True, False)
    assert (coming.id, coming.available, coming.default) == ("eleven_next", False, True)


def test_an_alias_stands_where_callers_look_for_it(server: ElevenLabsServer) -> None:
    voices = by_id(fetched(server, voice_aliases=f"old-voice={RACHEL},{GEORGE}={PAID}", default_voice_id=GEORGE))
    assert (voices["old-voice"].name, voices["old-voice"].spoken_by) == ("Rachel", RACHEL)
    assert voices[RACHEL].spoken_by is None
    assert (voices[GEORGE].name, voices[GEORGE].spoken_by, voices[GEORGE].default) == ("Pat", PAID, True)
    assert not voices[PAID].default


def test_a_named_voice_that_the_account_does_not_list_is_asked_for(server: ElevenLabsServer) -> None:
    voices = by_id(fetched(server, default_voice_id=HIDDEN, voice_aliases="a=gone"))
    assert voices[HIDDEN].default
    assert voices[HIDDEN].name == "Hid"
    assert "a" not in voices


def test_a_refused_key_is_the_operators_and_is_not_told(server: ElevenLabsServer) -> None:
    server.script_lists(Behaviour.INVALID_KEY)
    with pytest.raises(TtsMisconfigured, match="ELEVENLABS_API_KEY") as refused:
        fetched(server)
    assert KEY not in refused.value.message


def test_a_service_that_fails_and_one_that_talks_nonsense(server: ElevenLabsServer) -> None:
    server.script_lists(Behaviour.SERVER_ERROR, Behaviour.HTML_200)
    with pytest.raises(TtsUnavailable):
        fetched(server)
    with pytest.raises(TtsBroken):
        fetched(server)


def test_a_service_that_says_nothing_is_given_up(server: ElevenLabsServer) -> None:
    server.script_lists(Behaviour.HANG)
    source = ElevenLabsCatalogue(settings(server), SecretStr(KEY), seconds=0.2)
    with pytest.raises(TtsUnavailable, match="TimeoutError"):
        asyncio.run(source.fetch(NOW))


def test_without_a_key_espeaks_speakers_are_what_they_are_heard_as() -> None:
    chosen = SpeechSettings(elevenlabs_api_key=None, default_voice_id=RACHEL)
    catalogue = asyncio.run(choose_catalogue(chosen).fetch(NOW))
    assert catalogue.provider == "espeak"
    assert [voice.name for voice in catalogue.voices if voice.default] == ["Rachel"]
    assert len(catalogue.voices) == 5
    voice = choose_voice(chosen)
    for offered in catalogue.voices:
        used = voice.speak(SpeechRequest("Hi.", offered.id), CancelToken()).voice_used
        assert f"({offered.name})" in used
        assert used.removeprefix("espeak:").split()[0] in str(offered.description)


def test_an_unknown_default_is_spoken_by_george() -> None:
    chosen = SpeechSettings(elevenlabs_api_key=None, default_voice_id="unknown")
    voices = asyncio.run(choose_catalogue(chosen).fetch(NOW)).voices
    assert [voice.id for voice in voices if voice.default] == [GEORGE]


def test_another_default_or_provider_has_another_origin(server: ElevenLabsServer) -> None:
    first = choose_catalogue(settings(server)).origin
    assert choose_catalogue(settings(server)).origin == first
    assert choose_catalogue(settings(server, default_voice_id=PAID)).origin != first
    assert UnconfiguredCatalogue(settings(server)).origin != first
