"""An ElevenLabs account for workers: its server, its key, and texts that last."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.servers.elevenlabs import ElevenLabsServer

SPEECH_KEY = "sk_speech_key_that_nobody_may_be_told"
SENTENCE = "It was the best of times, it was the worst of times, it was the age of wisdom. "


def account(server: ElevenLabsServer) -> dict[str, str]:
    """The variables of a worker that speaks with this account."""
    return {"ELEVENLABS_API_KEY": SPEECH_KEY, "ELEVENLABS_BASE_URL": server.base_url}


def wait_for(happened: Callable[[], bool], seconds: float = 20.0) -> float:
    """Seconds until it has happened."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began
