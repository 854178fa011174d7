"""The environment variables of the REST server: those of the service, and its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from engine.settings import Settings, read_settings_of
from shim.auth.keys import ApiKey, parse_keys
from shim.avatars.settings import AvatarSettings
from shim.browsers.origins import OriginSettings
from shim.budgets.settings import BudgetSettings
from shim.jobs.settings import JobSettings
from shim.limits.settings import LimitSettings
from shim.links import LinkSettings
from shim.logs import LogSettings
from shim.signing import SigningSettings

_LEAST_SECRET_BYTES = 32


class ShimSettings(
    AvatarSettings,
    SigningSettings,
    LinkSettings,
    OriginSettings,
    LimitSettings,
    BudgetSettings,
    JobSettings,
    LogSettings,
    Settings,
):
    """Read once at start. The README's table is made of these descriptions."""

    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        (),
        description="Keys that the REST server lets in, as `name:sha256` and separated by commas; `python -m shim.keys "
        "NAME` makes one. Keys of one name share what they made.",
    )
    api_keys_file: Path | None = Field(
        None,
        description="File of further keys, as in `API_KEYS` or one a line. Lines that begin with `#` are skipped.",
    )
    allow_anonymous: bool = Field(
        False,
        description="`1`: without keys and tokens the REST server lets everybody in, also where `HOST` is no loopback "
        "address.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        description="Secret, of 32 bytes or more, of the tokens (HS256) that the REST server lets in. Not beside "
        "`JWT_JWKS`.",
    )
    jwt_jwks: str | None = Field(
        None,
        description="File or https address of the public keys (JWKS) of the tokens (RS256, ES256) that the REST server "
        "lets in.",
    )
    jwt_issuer: str | None = Field(None, description="Issuer (`iss`) that tokens have to have. Unset: any.")
    jwt_audience: str | None = Field(
        None, description="Audience (`aud`) that tokens have to have. Unset: they may have none."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Token that reads `/metrics`, as `Authorization: Bearer`. Unset: only requests from this machine "
        "read it.",
    )

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parsed_keys(cls, value: object) -> object:
        return parse_keys(value) if isinstance(value, str) else value

    @field_validator(
        "api_keys_file", "jwt_secret", "jwt_jwks", "jwt_issuer", "jwt_audience", "metrics_token", mode="before"
    )
    @classmethod
    def _blank_is_unset(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value

    @field_validator("jwt_secret")
    @classmethod
    def _long_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        # RFC 7518, 3.2: a key of HS256 is no shorter than its hash.
        if secret is not None and len(secret.get_secret_value().encode()) < _LEAST_SECRET_BYTES:
            raise ValueError(f"the secret has to have {_LEAST_SECRET_BYTES} bytes or more, all of them random")
        return secret


def read_shim_settings() -> ShimSettings:
    """The settings of the environment, or ConfigurationError that names the variables at fault and no value."""
    return read_settings_of(ShimSettings)
