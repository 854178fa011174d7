"""One request to ElevenLabs' ``stream/with-timestamps``: its slot, its attempts and its reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from engine.speech.elevenlabs_failures import Failed, classify, damaged, no_answer, read_refusal
from engine.speech.elevenlabs_key import KeyHeader
from engine.speech.elevenlabs_parts import Part
from engine.speech.elevenlabs_reply import LineSplitter, TimedSound, read_line
from engine.speech.settings import SpeechSettings
from engine.speech.voice import VoiceSettings

# Long texts can take a minute until the first byte.
TIMEOUT = httpx.Timeout(connect=10, read=90, write=30, pool=None)

_LONGEST_REFUSAL = 65_536

Sleep = Callable[[float], Awaitable[None]]
Jitter = Callable[[], float]
"""Gives a number from 0 to 1: a wait lasts between 3/4 and 5/4 of what is stated."""


@dataclass(frozen=True)
class Delivery:
    """How every part of an utterance is spoken."""

    voice_id: str
    model_id: str
    settings: VoiceSettings


class ElevenLabsApi:
    """Asks for sound, at most ``elevenlabs_concurrency`` times at once; all of it on one event loop."""

    def __init__(
        self, settings: SpeechSettings, key: SecretStr, client: httpx.AsyncClient, sleep: Sleep, jitter: Jitter
    ) -> None:
        self._base_url = settings.elevenlabs_base_url
        self._output_format = settings.elevenlabs_output_format
        self._key = key
        self._client = client
        self._sleep = sleep
        self._jitter = jitter
        self._slots = asyncio.Semaphore(settings.elevenlabs_concurrency)

    async def close(self) -> None:
        await self._client.aclose()

    async def stream(self, part: Part, delivery: Delivery) -> AsyncIterator[TimedSound]:
        """The part's sound as it comes. Asks again only while nothing has come yet. Raises Failed."""
        attempt = 0
        while True:
            begun = False
            try:
                async with self._slots:
                    async for sound in self._attempt(part, delivery):
                        begun = True
                        yield sound
                return
            except Failed as failure:
                if begun or attempt >= len(failure.delays):
                    raise
                delay = failure.delays[attempt]
            await self._sleep(delay * (0.75 + 0.5 * self._jitter()))
            attempt += 1

    async def _attempt(self, part: Part, delivery: Delivery) -> AsyncIterator[TimedSound]:
        sounded = 0
        try:
            async with self._client.stream(
                "POST",
                f"{self._base_url}/v1/text-to-speech/{quote(delivery.voice_id, safe='')}/stream/with-timestamps",
                params={"output_format": self._output_format},
                json=_body(part, delivery),
                auth=KeyHeader(self._key),
                timeout=TIMEOUT,
                follow_redirects=False,
            ) as response:
                await self._refuse(response, delivery)
                async for sound in _sounds(response):
                    sounded += len(sound.pcm)
                    yield sound
        except httpx.DecodingError as error:
            raise damaged("its compression is broken") from error
        except httpx.RequestError as error:
            raise _broken_off(error, sounded > 0) from error
        if not sounded:
            raise damaged("it holds no sound")
        if sounded % 2:
            raise damaged("its sound has an odd number of bytes")

    async def _refuse(self, response: httpx.Response, delivery: Delivery) -> None:
        if response.status_code == httpx.codes.OK:
            return
        body = b""
        async for received in response.aiter_bytes():
            body += received
            if len(body) > _LONGEST_REFUSAL:
                break
        raise classify(read_refusal(response.status_code, body), delivery.voice_id, self._key.get_secret_value())


async def _sounds(response: httpx.Response) -> AsyncIterator[TimedSound]:
    splitter = LineSplitter()
    async for received in response.aiter_bytes():
        for line in splitter.push(received):
            yield read_line(line)
    for line in splitter.finish():
        yield read_line(line)


def _body(part: Part, delivery: Delivery) -> dict[str, object]:
    body: dict[str, object | None] = {
        "text": part.text,
        "model_id": delivery.model_id,
        "voice_settings": delivery.settings.model_dump(exclude_none=True) or None,
        "previous_text": part.previous_text,
        "next_text": part.next_text,
    }
    return {name: value for name, value in body.items() if value is not None}


def _broken_off(error: httpx.RequestError, sounded: bool) -> Failed:
    kind = type(error).__name__
    return damaged(f"it broke off ({kind})") if sounded else no_answer(kind)
