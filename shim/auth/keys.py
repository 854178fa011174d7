"""API keys: random words, of which the configuration holds names and SHA-256 hashes alone.

A key has 256 random bits, so that a plain hash of it says no more than a slow one would.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

PREFIX = "ta_"
"""What every minted key begins with, for those who search for leaked ones."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ApiKey:
    """A key as the configuration knows it; ``sha256``: of the key, in hexadecimal.

    Two keys of one name are one owner's, so that the old one goes on while the new one is handed out.
    """

    name: str
    sha256: str


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def mint() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(32)


def parse_keys(listed: str) -> tuple[ApiKey, ...]:
    """Keys as `name:sha256hex`, between commas or on lines of their own; lines that begin with `#` are left out.

    Raises ValueError, which shows nothing of what is wrong: it may be a key.
    """
    lines = [line for line in listed.splitlines() if not line.lstrip().startswith("#")]
    return tuple(_parse(entry.strip()) for line in lines for entry in line.split(",") if entry.strip())


def find_key(keys: tuple[ApiKey, ...], credential: str) -> ApiKey | None:
    """The key that a caller has sent. All are compared, in constant time, whichever it is."""
    given = hash_of(credential)
    found: ApiKey | None = None
    for key in keys:
        if hmac.compare_digest(key.sha256, given):
            found = key
    return found


def _parse(entry: str) -> ApiKey:
    name, _, digest = entry.partition(":")
    key = ApiKey(name.strip(), digest.strip().lower())
    if not NAME.fullmatch(key.name) or not _HASH.fullmatch(key.sha256):
        raise ValueError(
            "each key is `name:hash`: a name of letters, digits, '.', '_' and '-', and a SHA-256 of 64 hexadecimal "
            "digits; `python -m shim.keys NAME` makes both"
        )
    return key
