"""Which voice speaks: the account's where there is a key, and no other in its place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.cancel import CancelToken
from engine.errors import TtsMisconfigured
from engine.speech.choose import choose_voice
from engine.speech.elevenlabs import ElevenLabsVoice
from engine.speech.settings import SpeechSettings
from engine.speech.voice import SpeechRequest
from tests.servers.elevenlabs import Behaviour, ElevenLabsServer

WITHOUT_ESPEAK = """
import sys
sys.modules["espeakng_loader"] = None
from engine.cancel import CancelToken
from engine.errors import SpeechNotConfigured
from engine.speech.choose import choose_voice
from engine.speech.settings import SpeechSettings
from engine.speech.voice import SpeechRequest
voice = choose_voice(SpeechSettings(elevenlabs_api_key=None))
try:
    voice.speak(SpeechRequest("Hello."), CancelToken())
except SpeechNotConfigured as error:
    print(error.code, error.message)
"""


def test_without_a_key_espeak_speaks_with_the_default_voice() -> None:
    settings = SpeechSettings(elevenlabs_api_key=None, default_voice_id="21m00Tcm4TlvDq8ikWAM")
    utterance = choose_voice(settings).speak(SpeechRequest("Hello."), CancelToken())
    assert utterance.voice_used == "espeak:en-us+f3 (Rachel)"
    assert sum(piece.samples.size for piece in utterance.pieces) > 10_000


def test_with_a_key_the_account_speaks_and_its_failure_is_told() -> None:
    with ElevenLabsServer() as server:
        settings = {"elevenlabs_api_key": "sk_1", "elevenlabs_base_url": server.base_url}
        voice = choose_voice(SpeechSettings.model_validate(settings))
        assert isinstance(voice, ElevenLabsVoice)
        server.script(Behaviour.GOOD, Behaviour.INVALID_KEY)
        said = voice.speak(SpeechRequest("Hello."), CancelToken())
        assert sum(piece.samples.size for piece in said.pieces) == 17_280
        with pytest.raises(TtsMisconfigured):
            list(voice.speak(SpeechRequest("Hello."), CancelToken()).pieces)
        voice.close()


def test_without_key_and_espeak_text_names_the_variable() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_ESPEAK], capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("tts_not_configured"), run.stderr
    assert "ELEVENLABS_API_KEY" in run.stdout
