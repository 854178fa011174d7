"""The voice of an ElevenLabs account.

A text beyond the model's limit is spoken in parts, each led in and out over a few milliseconds, so that they join
without a click. The reply is taken as fast as it comes, whatever the pace of what is made of it: that keeps the
account's few slots free.
"""

from __future__ import annotations

import asyncio
import queue
import random
import re
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import httpx
import numpy as np
from pydantic import SecretStr

from engine.cancel import CancelToken
from engine.outages import Interrupted
from engine.speech.elevenlabs_api import Delivery, ElevenLabsApi
from engine.speech.elevenlabs_failures import Failed, voice_not_available
from engine.speech.elevenlabs_parts import Part, parts_of
from engine.speech.elevenlabs_reply import SampleReader, TimedSound, WordReader
from engine.speech.event_loop import EventLoopThread
from engine.speech.fades import faded_in, faded_out
from engine.speech.pieces import PieceStream
from engine.speech.settings import SpeechSettings
from engine.speech.text import speakable_text
from engine.speech.voice import Samples, SpeechPiece, SpeechRequest, Utterance, Word

_FADE_SECONDS = 0.005
_LOOK_SECONDS = 0.05
_VOICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class _PartEnd:
    """Stands in the queue behind a part's last sound."""


@dataclass(frozen=True)
class _Broken:
    """Stands in the queue where the sound ends because of an error."""

    failure: Failed


_Received = queue.SimpleQueue[TimedSound | _PartEnd | _Broken]


class ElevenLabsVoice:
    """Speaks with ``api``, whose requests run on ``loop``. ``speak`` may be called from many threads at once."""

    paid = True

    def __init__(self, settings: SpeechSettings, api: ElevenLabsApi, loop: EventLoopThread) -> None:
        self._settings = settings
        self._api = api
        self._loop = loop

    @classmethod
    def over_network(cls, settings: SpeechSettings, key: SecretStr) -> ElevenLabsVoice:
        """With an HTTP client, an event loop, a clock and chance of its own."""
        # A kept connection may die unnoticed while the machine sleeps, and the wait for a long text is long.
        client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
        api = ElevenLabsApi(settings, key, client, asyncio.sleep, random.SystemRandom().random)
        return cls(settings, api, EventLoopThread("elevenlabs"))

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        """Raises InvalidText, VoiceNotAvailable; the first request goes out when the first piece is asked for.

        The pieces raise Cancelled and, for what the service refuses or fails at, VoiceNotAvailable, TtsRejected,
        TextTooLong, TtsMisconfigured, TtsQuotaExceeded, TtsBusy, TtsUnavailable and TtsBroken.
        """
        text = speakable_text(request.text)
        delivery = self._delivery(request)
        parts = parts_of(text, delivery.model_id)
        voice_used = f"elevenlabs:{delivery.voice_id} ({delivery.model_id})"
        return Utterance(voice_used, len(text), self._pieces(parts, delivery, cancel))

    def close(self) -> None:
        """Stop all requests and close the connections."""
        self._loop.close(self._api.close())

    def _delivery(self, request: SpeechRequest) -> Delivery:
        asked = request.voice_id or self._settings.default_voice_id
        voice_id = self._settings.voice_aliases.get(asked, asked)
        if not _VOICE_ID.fullmatch(voice_id):
            raise voice_not_available(voice_id[:64], "not a voice's id")
        return Delivery(voice_id, request.model_id or self._settings.default_model_id, request.settings)

    def _pieces(
        self, parts: tuple[Part, ...], delivery: Delivery, cancel: CancelToken
    ) -> Generator[SpeechPiece, None, None]:
        cancel.check()
        received: _Received = queue.SimpleQueue()
        running = self._loop.start(self._receive(parts, delivery, received))
        try:
            yield from _joined(len(parts), received, running, self._settings.pcm_rate, cancel)
        finally:
            running.cancel()

    async def _receive(self, parts: tuple[Part, ...], delivery: Delivery, received: _Received) -> None:
        try:
            for part in parts:
                async for sound in self._api.stream(part, delivery):
                    received.put(sound)
                received.put(_PartEnd())
        except Failed as failure:
            received.put(_Broken(failure))


def _joined(
    parts: int, received: _Received, running: Future[None], rate: int, cancel: CancelToken
) -> Iterator[SpeechPiece]:
    stream = PieceStream(rate)
    for _ in range(parts):
        part = _PartJoiner(rate, stream.seconds)
        for sound in _until_part_end(received, running, cancel):
            yield from stream.push(part.push(sound), part.words)
        yield from stream.push(part.finish(), part.words)
        stream.end_words()
    yield from stream.finish()


def _until_part_end(received: _Received, running: Future[None], cancel: CancelToken) -> Iterator[TimedSound]:
    while True:
        cancel.check()
        try:
            item = received.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            if running.cancelled():
                raise Interrupted("The service is stopping. Try again.") from None
            if running.done() and received.empty():
                running.result()
            continue
        if isinstance(item, _PartEnd):
            return
        if isinstance(item, _Broken):
            raise item.failure.error from item.failure
        yield item


class _PartJoiner:
    """One part's sound, led in from zero and out to zero; ``words`` are those that the last call completed."""

    def __init__(self, rate: int, offset: float) -> None:
        self._fade = round(_FADE_SECONDS * rate)
        self._samples = SampleReader()
        self._words = WordReader(offset)
        self._held: Samples = np.zeros(0, np.int16)
        self._begun = False
        self.words: tuple[Word, ...] = ()

    def push(self, sound: TimedSound) -> Samples:
        self.words = self._words.push(sound.alignment)
        self._held = np.concatenate([self._held, self._samples.push(sound.pcm)])
        ready = self._held[: max(0, self._held.size - self._fade)]
        if ready.size < self._fade and not self._begun:
            return ready[:0]
        self._held = self._held[ready.size :]
        return self._led_in(ready)

    def finish(self) -> Samples:
        self.words = self._words.finish()
        end = max(0, self._held.size - self._fade)
        rest, self._held = self._held, self._held[:0]
        return np.concatenate([self._led_in(rest[:end]), faded_out(rest[end:])])

    def _led_in(self, samples: Samples) -> Samples:
        if self._begun or not samples.size:
            return samples
        self._begun = True
        return np.concatenate([faded_in(samples[: self._fade]), samples[self._fade :]])
