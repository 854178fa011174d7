"""What an ElevenLabs account offers: `/v2/voices`, `/v1/models`, and what its plan says of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from engine.errors import TtsMisconfigured, VoiceNotAvailable
from engine.speech.catalogue import Catalogue, CatalogueModel, CatalogueVoice, origin_of
from engine.speech.elevenlabs_failures import classify, damaged, no_answer, read_refusal
from engine.speech.elevenlabs_key import KeyHeader
from engine.speech.settings import SpeechSettings

FETCH_SECONDS = 15.0
"""Time that all requests for one catalogue may take together."""

_PAGE = 100
_MOST_PAGES = 50
_FREE = "free"

T = TypeVar("T")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _VerifiedLanguage(_Told):
    language: str | None = None


class _Sharing(_Told):
    free_users_allowed: bool | None = None


class _Voice(_Told):
    """A voice as the service tells of it; an empty ``available_for_tiers`` means every plan."""

    voice_id: str
    name: str | None = None
    description: str | None = None
    preview_url: str | None = None
    labels: dict[str, str | None] | None = None
    available_for_tiers: list[str] | None = None
    verified_languages: list[_VerifiedLanguage] | None = None
    sharing: _Sharing | None = None

    def is_in_plan(self, tier: str | None) -> bool | None:
        if tier is None:
            return None
        shared_with_free = self.sharing is None or self.sharing.free_users_allowed is not False
        return (not self.available_for_tiers or tier in self.available_for_tiers) and (
            tier != _FREE or shared_with_free
        )

    def offered(self, tier: str | None, default_id: str) -> CatalogueVoice:
        labels = {name: value for name, value in (self.labels or {}).items() if value}
        spoken = [verified.language for verified in self.verified_languages or () if verified.language]
        languages = spoken or [labels[name] for name in ("language",) if name in labels]
        return CatalogueVoice(
            id=self.voice_id,
            name=self.name or self.voice_id,
            description=self.description or None,
            languages=tuple(dict.fromkeys(languages)),
            available=self.is_in_plan(tier),
            default=self.voice_id == default_id,
            preview_url=self.preview_url or None,
            labels=labels,
        )


class _Language(_Told):
    language_id: str


class _Model(_Told):
    model_id: str
    name: str | None = None
    description: str | None = None
    can_do_text_to_speech: bool | None = None
    requires_alpha_access: bool | None = None
    maximum_text_length_per_request: int | None = None
    languages: list[_Language] | None = None

    def offered(self, default_id: str) -> CatalogueModel:
        return CatalogueModel(
            id=self.model_id,
            name=self.name or self.model_id,
            description=self.description or None,
            languages=tuple(language.language_id for language in self.languages or ()),
            available=not self.requires_alpha_access,
            default=self.model_id == default_id,
            max_characters=self.maximum_text_length_per_request,
        )


class _VoicesPage(_Told):
    voices: list[_Voice]
    has_more: bool = False
    next_page_token: str | None = None


class _Subscription(_Told):
    tier: str = Field(min_length=1)


@dataclass(frozen=True)
class ElevenLabsCatalogue:
    """A CatalogueSource: the account of ``key``."""

    settings: SpeechSettings
    key: SecretStr
    seconds: float = FETCH_SECONDS

    @property
    def origin(self) -> str:
        return origin_of("elevenlabs", self.settings)

    async def fetch(self, now: datetime) -> Catalogue:
        try:
            async with asyncio.timeout(self.seconds), httpx.AsyncClient(auth=KeyHeader(self.key)) as http:
                return await self._fetched(_Account(self.settings.elevenlabs_base_url, self.key, http), now)
        except (httpx.RequestError, TimeoutError) as error:
            raise no_answer(type(error).__name__).error from error

    async def _fetched(self, account: _Account, now: datetime) -> Catalogue:
        voices = {voice.voice_id: voice for voice in await account.voices()}
        models = [model for model in await account.models() if model.can_do_text_to_speech]
        for missing in self._named() - set(voices):
            voice = await account.voice(missing)
            if voice is not None:
                voices[missing] = voice
        tier = await account.tier()
        offered = [voice.offered(tier, self.settings.default_voice_id) for voice in voices.values()]
        return Catalogue(
            provider="elevenlabs",
            origin=self.origin,
            fetched_at=now,
            voices=with_aliases(offered, self.settings),
            models=tuple(model.offered(self.settings.default_model_id) for model in models),
        )

    def _named(self) -> set[str]:
        """Voices that the settings name; an account may speak with some that it doesn't list."""
        aliases = self.settings.voice_aliases
        default = self.settings.default_voice_id
        return {aliases.get(default, default), *aliases.values()}


def with_aliases(voices: list[CatalogueVoice], settings: SpeechSettings) -> tuple[CatalogueVoice, ...]:
    """The voices as callers may name them: under an alias's name stands the one that speaks for it."""
    by_id = {voice.id: voice for voice in voices}
    aliases = {name: by_id[speaker] for name, speaker in settings.voice_aliases.items() if speaker in by_id}
    spoken = [
        speaker.model_copy(update={"id": name, "spoken_by": speaker.id, "default": name == settings.default_voice_id})
        for name, speaker in aliases.items()
    ]
    return (*(voice for voice in voices if voice.id not in settings.voice_aliases), *spoken)


@dataclass(frozen=True)
class _Account:
    """The service's replies. Every method raises EngineError for what it refuses, and httpx's RequestError."""

    base_url: str
    key: SecretStr
    http: httpx.AsyncClient

    async def voices(self) -> list[_Voice]:
        found: list[_Voice] = []
        asked = {"page_size": str(_PAGE), "include_total_count": "false"}
        for _ in range(_MOST_PAGES):
            page = await self._get("/v2/voices", TypeAdapter(_VoicesPage), asked)
            found += page.voices
            if not page.has_more or not page.next_page_token:
                break
            asked["next_page_token"] = page.next_page_token
        return found

    async def voice(self, voice_id: str) -> _Voice | None:
        """None when the account may not speak with it."""
        try:
            return await self._get(f"/v1/voices/{quote(voice_id, safe='')}", TypeAdapter(_Voice))
        except VoiceNotAvailable:
            return None

    async def models(self) -> list[_Model]:
        return await self._get("/v1/models", TypeAdapter(list[_Model]))

    async def tier(self) -> str | None:
        """The plan's name; None for a key that may not read it, which is one of those that a key can lack."""
        try:
            return (await self._get("/v1/user/subscription", TypeAdapter(_Subscription))).tier
        except TtsMisconfigured:
            return None

    async def _get(self, path: str, form: TypeAdapter[T], asked: dict[str, Any] | None = None) -> T:
        reply = await self.http.get(self.base_url + path, params=asked)
        if reply.status_code != httpx.codes.OK:
            refusal = read_refusal(reply.status_code, reply.content)
            raise classify(refusal, path.rpartition("/")[2], self.key.get_secret_value()).error
        try:
            return form.validate_json(reply.content)
        except ValidationError as error:
            raise damaged(f"{path} is not of the form that is known").error from error
