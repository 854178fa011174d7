"""The one place that chooses the voice."""

from __future__ import annotations

from importlib.util import find_spec

from engine.cancel import CancelToken
from engine.errors import SpeechNotConfigured
from engine.speech.settings import SpeechSettings
from engine.speech.voice import SpeechRequest, Utterance, Voice


class UnconfiguredVoice:
    """The voice of a service that has none: it works on sound that the caller sends, and says so for text."""

    paid = False

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        """Raises SpeechNotConfigured."""
        raise SpeechNotConfigured(
            "This service has no voice for text: its operator has to set ELEVENLABS_API_KEY. Sound can be sent instead."
        )


def choose_voice(settings: SpeechSettings) -> Voice:
    """ElevenLabs where there is a key, and nothing else then; else espeak-ng where it is installed."""
    if settings.elevenlabs_api_key is not None:
        from engine.speech.elevenlabs import ElevenLabsVoice

        return ElevenLabsVoice.over_network(settings, settings.elevenlabs_api_key)
    if find_spec("espeakng_loader") is not None:
        from engine.speech.espeak import EspeakVoice

        return EspeakVoice(settings.default_voice_id)
    return UnconfiguredVoice()
