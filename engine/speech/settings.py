"""The environment variables that choose and configure the voice."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_VOICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SpeechSettings(BaseSettings):
    """Read once at start. A value that is refused is never shown: it may be the key."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    elevenlabs_api_key: SecretStr | None = Field(
        None, description="Key of the ElevenLabs account that speaks. Unset: espeak-ng speaks, where it is installed."
    )
    elevenlabs_base_url: str = Field(
        "https://api.elevenlabs.io",
        pattern=r"^https?://[^\s/?#@]+$",
        description="Address of the ElevenLabs API, for a region's own host.",
    )
    elevenlabs_concurrency: int = Field(
        2, ge=1, le=100, description="Requests to ElevenLabs at a time; what the account's plan allows."
    )
    elevenlabs_output_format: Literal["pcm_16000", "pcm_22050", "pcm_24000", "pcm_32000", "pcm_44100", "pcm_48000"] = (
        Field("pcm_24000", description="Sound asked of ElevenLabs. `pcm_44100` needs its Pro plan.")
    )
    default_voice_id: str = Field(
        "JBFqnCBsd6RMkjVDRZzb", pattern=_VOICE_ID.pattern, description="Voice of a job that names none."
    )
    default_model_id: str = Field(
        "eleven_multilingual_v2", min_length=1, description="ElevenLabs model of a job that names none."
    )
    voice_aliases: Annotated[dict[str, str], NoDecode] = Field(
        {}, description='Voices spoken in another\'s place, by id: `a=b,c=d` or `{"a": "b"}`.'
    )

    @property
    def pcm_rate(self) -> int:
        """Samples a second of the sound asked of ElevenLabs."""
        return int(self.elevenlabs_output_format.removeprefix("pcm_"))

    @field_validator("elevenlabs_api_key", mode="before")
    @classmethod
    def _plain_key(cls, value: object) -> object:
        key = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(key, str):
            return key
        key = key.strip()
        if not all("!" <= character <= "~" for character in key):
            raise ValueError("the key holds characters that no key has; copy it again")
        return key or None

    @field_validator("elevenlabs_base_url", mode="before")
    @classmethod
    def _without_slash(cls, value: object) -> object:
        return value.rstrip("/") if isinstance(value, str) else value

    @field_validator("voice_aliases", mode="before")
    @classmethod
    def _parsed_aliases(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return json.loads(value) if value.lstrip().startswith("{") else _pairs(value)

    @field_validator("voice_aliases")
    @classmethod
    def _ids_only(cls, aliases: dict[str, str]) -> dict[str, str]:
        wrong = [voice_id for pair in aliases.items() for voice_id in pair if not _VOICE_ID.fullmatch(voice_id)]
        if wrong:
            raise ValueError(f"not a voice's id: {wrong[0]!r}")
        return aliases


def _pairs(listed: str) -> dict[str, str]:
    parts = [part.partition("=") for part in listed.split(",") if part.strip()]
    return {name.strip(): voice_id.strip() for name, _, voice_id in parts}
