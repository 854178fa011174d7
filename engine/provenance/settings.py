"""The environment variables of the certificate that videos are signed with."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProvenanceSettings(BaseSettings):
    """Read once at start. A value that is refused is never shown: it may be the key."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    c2pa_certificate: str | None = Field(
        None,
        description="Signs every finished video with a C2PA manifest: the certificate and those that issued it as PEM, "
        "the signer's first, or the path of a file with them. Unset: none is signed.",
    )
    c2pa_private_key: SecretStr | None = Field(
        None, description="The certificate's private key, as PEM without a passphrase, or the path of a file with it."
    )
    c2pa_timestamp_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        description="Address of a time-stamping authority (RFC 3161), with whose stamp a signature outlives the "
        "certificate. Every video then waits for it.",
    )

    @field_validator("c2pa_certificate", "c2pa_private_key", "c2pa_timestamp_url", mode="before")
    @classmethod
    def _empty_is_no_credential(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.c2pa_certificate is None) != (self.c2pa_private_key is None):
            raise ValueError("set both C2PA_CERTIFICATE and C2PA_PRIVATE_KEY, or neither")
        if self.c2pa_timestamp_url is not None and self.c2pa_certificate is None:
            raise ValueError("C2PA_TIMESTAMP_URL has no use without C2PA_CERTIFICATE and C2PA_PRIVATE_KEY")
        return self
