"""The voice's environment variables."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.speech.settings import SpeechSettings


def test_aliases_are_read_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    for written in ("a=b, c=d,", '{"a": "b", "c": "d"}'):
        monkeypatch.setenv("VOICE_ALIASES", written)
        assert SpeechSettings().voice_aliases == {"a": "b", "c": "d"}


@pytest.mark.parametrize("written", ["a", "a=", "=b", "a=b/c", '{"a": 1}', "{", '["a"]'])
def test_wrong_aliases_are_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        SpeechSettings.model_validate({"voice_aliases": written})


def test_the_key_is_trimmed_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", " sk_1234\n")
    settings = SpeechSettings()
    assert settings.elevenlabs_api_key is not None
    assert settings.elevenlabs_api_key.get_secret_value() == "sk_1234"
    assert "sk_1234" not in repr(settings)
    assert "sk_1234" not in str(settings.model_dump_json())


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", " ")
    assert SpeechSettings().elevenlabs_api_key is None


@pytest.mark.parametrize("key", ["sk 12", "sk_\u00e9", "sk_1\n2"])
def test_a_damaged_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SpeechSettings.model_validate({"elevenlabs_api_key": key})
    assert key not in str(raised.value)
    assert "elevenlabs_api_key" in str(raised.value)


def test_the_address_loses_its_last_slash() -> None:
    settings = SpeechSettings.model_validate({"elevenlabs_base_url": "https://api.us.elevenlabs.io/"})
    assert settings.elevenlabs_base_url == "https://api.us.elevenlabs.io"


@pytest.mark.parametrize("address", ["api.elevenlabs.io", "ftp://a", "https://", "https://u:p@host", "https://a/b"])
def test_a_wrong_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        SpeechSettings.model_validate({"elevenlabs_base_url": address})


def test_the_rate_is_the_formats() -> None:
    assert SpeechSettings.model_validate({"elevenlabs_output_format": "pcm_44100"}).pcm_rate == 44_100
    with pytest.raises(ValidationError):
        SpeechSettings.model_validate({"elevenlabs_output_format": "mp3_44100_128"})
