"""Who is let in: holders of a key, holders of a token, or everybody."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import Scope

from engine.errors import ConfigurationError, Unauthorized
from shim.auth.jwks import Jwks, source_of
from shim.auth.keys import ApiKey, find_key, parse_keys
from shim.auth.loopback import is_loopback
from shim.auth.tokens import PublicKeys, SharedSecret, TokenCheck, VerificationKeys, refused
from shim.callers import ANYBODY, Caller
from shim.settings import ShimSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Admission:
    """Without keys and ``tokens`` everybody is let in."""

    keys: tuple[ApiKey, ...] = ()
    tokens: TokenCheck | None = None

    @property
    def is_guarded(self) -> bool:
        return bool(self.keys) or self.tokens is not None

    @property
    def minters(self) -> tuple[Caller, ...]:
        """Everybody who may mint tokens for browsers."""
        return tuple(map(_holder, self.keys)) if self.is_guarded else (ANYBODY,)

    async def caller(self, scope: Scope) -> Caller:
        """Whoever sends the request. Raises Unauthorized, and TokenKeysUnavailable."""
        if not self.is_guarded:
            return ANYBODY
        credential = credential_of(Headers(scope=scope))
        if credential is None:
            raise Unauthorized(
                "A key or token is needed: send it as `Authorization: Bearer ...`, or a key as `X-API-Key: ...`."
            )
        if (key := find_key(self.keys, credential)) is not None:
            return _holder(key)
        if self.tokens is None:
            raise refused()
        return await self.tokens.caller(credential)


def _holder(key: ApiKey) -> Caller:
    return Caller(f"key:{key.name}", key.name, "key")


def credential_of(headers: Headers) -> str | None:
    """What the request has to show: its Authorization, or else its X-API-Key."""
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    return headers.get("x-api-key", "").strip() or None


def admission_of(settings: ShimSettings) -> Admission:
    """What the settings ask for.

    Raises ConfigurationError where they contradict each other or name what can't be read, and where everybody would be
    let in without anybody's having said so.
    """
    admission = Admission((*settings.api_keys, *_keys_of_file(settings.api_keys_file)), _tokens(settings))
    if admission.is_guarded and settings.allow_anonymous:
        raise ConfigurationError("ALLOW_ANONYMOUS lets everybody in, and keys or tokens are configured: unset either.")
    if not (admission.is_guarded or settings.allow_anonymous or is_loopback(settings.host)):
        raise ConfigurationError(
            "HOST is no loopback address, and nobody would be asked for a key. Set API_KEYS (`python -m shim.keys "
            "NAME` makes one), API_KEYS_FILE, JWT_SECRET or JWT_JWKS, or ALLOW_ANONYMOUS=1 to let everybody in."
        )
    return admission


def announce(admission: Admission) -> None:
    """Say at the start that everybody is let in, where that is so."""
    if not admission.is_guarded:
        log.warning("No keys or tokens are configured: whoever reaches this server is let in and sees everything.")


def _keys_of_file(path: Path | None) -> tuple[ApiKey, ...]:
    if path is None:
        return ()
    try:
        keys = parse_keys(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"API_KEYS_FILE: the file can't be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigurationError("API_KEYS_FILE: the file is no text.") from None
    except ValueError as error:
        raise ConfigurationError(f"API_KEYS_FILE: {error}.") from None
    if not keys:
        raise ConfigurationError("API_KEYS_FILE: there is no key in the file.")
    return keys


def _tokens(settings: ShimSettings) -> TokenCheck | None:
    keys = _verification_keys(settings)
    if keys is not None:
        return TokenCheck(keys, settings.jwt_issuer, settings.jwt_audience)
    if settings.jwt_issuer is not None or settings.jwt_audience is not None:
        raise ConfigurationError("JWT_ISSUER and JWT_AUDIENCE need JWT_SECRET or JWT_JWKS: no token can be checked.")
    return None


def _verification_keys(settings: ShimSettings) -> VerificationKeys | None:
    if settings.jwt_secret is not None and settings.jwt_jwks is not None:
        raise ConfigurationError("JWT_SECRET and JWT_JWKS exclude each other: set what your tokens are signed by.")
    if settings.jwt_secret is not None:
        return SharedSecret(settings.jwt_secret.get_secret_value())
    if settings.jwt_jwks is not None:
        return PublicKeys(Jwks(source_of(settings.jwt_jwks), time.monotonic))
    return None
