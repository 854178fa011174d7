"""The secret that this server signs with, and the keys that come of it: one for each purpose, none tells of another."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from engine.errors import ConfigurationError
from engine.store.bucket_settings import read_bucket_settings
from engine.store.protocol import ObjectStore

STORED_AT = "secrets/signing"
"""Where the secret lies that was drawn because none is configured. No path of the API leads there."""

LEAST_BYTES = 32
_KEY_BYTES = 32

Purpose = Literal["links", "tokens", "webhooks"]


class SigningSettings(BaseSettings):
    """What the server's own signatures are made of."""

    signing_secret: SecretStr | None = Field(
        None,
        description="Secret, of 32 bytes or more, that the REST server signs its links, its tokens for browsers and "
        "its webhooks with. Unset: a random one, kept in the store; a bucket that `BUCKET_PUBLIC_BASE_URL` opens to "
        "everybody can't keep it.",
    )

    @field_validator("signing_secret", mode="before")
    @classmethod
    def _blank_secret_is_unset(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value

    @field_validator("signing_secret")
    @classmethod
    def _long_signing_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < LEAST_BYTES:
            raise ValueError(f"the secret has to have {LEAST_BYTES} bytes or more, all of them random")
        return secret


class SigningSecret:
    """The secret ``given``, or else the one in ``store``, which is drawn when first needed: of several servers that
    draw one at once, all take the one that came first."""

    def __init__(self, given: SecretStr | None, store: ObjectStore) -> None:
        self._given = given
        self._store = store

    def key(self, purpose: Purpose, of: str = "") -> bytes:
        """32 bytes (HKDF, RFC 5869) that are always the same for this purpose, and for whom or what it is ``of``.

        The first call may read the store, and blocks. Raises ConfigurationError, and what the store raises.
        """
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=f"talking-avatar {purpose} {of}".encode())
        return derived.derive(self._secret)

    @cached_property
    def _secret(self) -> bytes:
        if self._given is not None:
            return self._given.get_secret_value().encode()
        found = self._store.get(STORED_AT)
        if found is None:
            self._store.put_if_absent(STORED_AT, secrets.token_hex(LEAST_BYTES).encode(), "text/plain")
            found = self._store.get(STORED_AT)
        if found is None or len(found.body) < 2 * LEAST_BYTES:
            raise ConfigurationError(f"The store's object {STORED_AT} is damaged. Delete it: a new one is drawn then.")
        return found.body


def demand_secret_place(given: SecretStr | None, environ: Mapping[str, str]) -> None:
    """Raises ConfigurationError where a secret would have to be kept in a bucket that everybody can read."""
    bucket = read_bucket_settings(environ)
    if given is None and bucket is not None and bucket.public_base_url is not None:
        raise ConfigurationError(
            "BUCKET_PUBLIC_BASE_URL opens the bucket to everybody, and no secret can be kept there. Set SIGNING_SECRET "
            "to 32 random bytes or more, such as `openssl rand -hex 32` prints."
        )
