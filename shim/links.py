"""Signed links: addresses of files that work without a key until they expire, for players and `<img>` and `<video>`.

A link is good for its scope: one job's files and stream, or the picture of one session or avatar. Everywhere within it
the same two words of the query hold, so that a playlist's segments need no signing of their own.

Its signature is the owner's name, sealed by AES-SIV (RFC 5297) over scope and expiry: it shows nothing of the owner,
nobody can make or change one without the key, and whoever comes by it finds what is that owner's and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import Field
from pydantic_settings import BaseSettings
from starlette.types import Scope

from engine.errors import Unauthorized
from shim.callers import Caller
from shim.signing import SigningSecret

EXPIRES, SIGNATURE = "expires", "signature"

_WEEK = 7 * 86_400
_TIME = re.compile(r"[0-9]{1,12}")
_SCOPES = (
    ("job", re.compile(r"/api/v1/generate/(?:video|audio|captions|thumbnail)/[a-z]+_([A-Za-z0-9_-]{1,64})\.[a-z0-9]+")),
    ("job", re.compile(r"/api/v1/generate/stream/([A-Za-z0-9_-]{1,64})(?:/.*)?")),
    ("session", re.compile(r"/api/v1/session/([A-Za-z0-9_-]{1,64})/thumbnail")),
    ("avatar", re.compile(r"/api/v1/avatars/([A-Za-z0-9_-]{1,64})/thumbnail")),
    ("upload", re.compile(r"/api/v1/avatars/([A-Za-z0-9_-]{1,64})/content")),
)
"""Every path that a link may lead to, and what it is part of. Only an upload's changes anything: it takes a file that
was announced."""

_READING = ("GET", "HEAD")


class LinkSettings(BaseSettings):
    """How long links work."""

    link_seconds: int = Field(
        3_600,
        ge=1,
        le=_WEEK,
        description="How long the signed addresses in replies work, in seconds, where keys or tokens are needed.",
    )


def scope_of(path: str) -> str | None:
    """What a link to the path would be good for, such as `job/4711`; None where no link leads."""
    for kind, form in _SCOPES:
        if found := form.fullmatch(path):
            return f"{kind}/{found[1]}"
    return None


@dataclass(frozen=True)
class Links:
    """Makes and checks links that work for ``seconds``. is_guarded: else everybody is let in, and none is needed.

    now: seconds since 1970. Where it is guarded, the first use may read the store, and blocks.
    """

    secret: SigningSecret
    seconds: int
    is_guarded: bool
    now: Callable[[], float] = time.time

    def address(self, path: str, caller: Caller) -> str:
        """The path as the caller is told it: signed where keys are needed. ``path``: one of a file, without a query.

        A link's caller is told addresses that end with that link, so that none is renewed for ever.
        """
        return f"{path}?{caller.link}" if caller.link is not None else self.address_for(path, caller.owner)

    def address_for(self, path: str, owner: str | None) -> str:
        """The same, of something of ``owner``'s that no caller asks for at the moment."""
        if not self.is_guarded:
            return path
        scope = scope_of(path)
        if scope is None:
            raise ValueError(f"No link leads to {path}.")
        return f"{path}?{self._query(scope, self._expires(), owner or '')}"

    def caller(self, scope: Scope) -> Caller | None:
        """Whoever comes by a link; None for a request that is none. Raises Unauthorized."""
        target = scope_of(scope["path"]) if scope["type"] == "http" else None
        methods = ("PUT",) if target is not None and target.startswith("upload/") else _READING
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if target is None or scope["method"] not in methods or SIGNATURE not in query:
            return None
        expires = query.get(EXPIRES, [""])[-1]
        if not _TIME.fullmatch(expires):
            raise _forged()
        owner = self._owner(target, int(expires), query[SIGNATURE][-1])
        if self.now() >= int(expires):
            raise Unauthorized("This link has expired. Ask for the job or the session again: the reply has a new one.")
        return Caller(owner, target, "link", link=self._query(target, int(expires), owner))

    def _query(self, scope: str, expires: int, owner: str) -> str:
        sealed = self._seal().encrypt(owner.encode(), [_bound(scope, expires)])
        return f"{EXPIRES}={expires}&{SIGNATURE}={base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def _owner(self, scope: str, expires: int, signature: str) -> str:
        """Whose link it is. Raises Unauthorized."""
        try:
            sealed = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
            return self._seal().decrypt(sealed, [_bound(scope, expires)]).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise _forged() from None

    def _seal(self) -> AESSIV:
        return AESSIV(self.secret.key("links"))

    def _expires(self) -> int:
        """In steps of a sixtieth, so that whoever asks again soon is told the same address, and has it in its cache."""
        step = max(1, self.seconds // 60)
        return (int(self.now()) + self.seconds) // step * step + step


def _bound(scope: str, expires: int) -> bytes:
    return f"{scope} {expires}".encode()


def _forged() -> Unauthorized:
    return Unauthorized("This link is not valid here. Use the addresses of a reply as they are.")
