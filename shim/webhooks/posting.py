"""A webhook's message on its way to an address that a caller has given: past the guard of all such addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from engine.cancel import CancelToken
from engine.errors import EngineError, InvalidInput
from engine.fetching.download import GuardedFetcher
from engine.fetching.transport import is_certificate_error

SECONDS = 15.0
"""How long a receiver may take in all."""

_SILENCE = httpx.Timeout(10.0)
_REPLY_BYTES = 16 * 1024
_MOST_CHARACTERS = 2048


@dataclass(frozen=True)
class Answer:
    """What came of one message: the status of the receiver's answer, or a sentence that says why there is none."""

    status: int | None = None
    error: str | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_unwanted(self) -> bool:
        """Whether the receiver wants none any more."""
        return self.status == httpx.codes.GONE


@dataclass(frozen=True)
class Posting:
    """Posts messages. ``stop``: set when the server ends."""

    fetcher: GuardedFetcher
    stop: CancelToken

    def check(self, url: str) -> None:
        """Judge an address before anything is done for it. Blocks.

        Raises InvalidInput, UrlNotAllowed, UrlUnreachable and UrlUnavailable.
        """
        if len(url) > _MOST_CHARACTERS:
            raise InvalidInput(f"`webhook_url` may have {_MOST_CHARACTERS} characters.")
        self.fetcher.check(url)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one message; redirects are not followed, and the answer's body is not looked at. Blocks."""
        transport = self.fetcher.guarded_transport(SECONDS, self.stop)
        try:
            with httpx.Client(transport=transport, timeout=_SILENCE, trust_env=False) as client:
                return Answer(status=_status(client, url, body, headers))
        except EngineError as error:
            return Answer(error=error.message)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return Answer(error=_reason(error))


def _status(client: httpx.Client, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    sent = {"Content-Type": "application/json", "User-Agent": "talking-avatar", "Connection": "close", **headers}
    with client.stream("POST", url, content=body, headers=sent, follow_redirects=False) as response:
        taken = 0
        # So that a receiver which answers as it reads isn't cut off, within bounds.
        for piece in response.iter_raw():
            taken += len(piece)
            if taken > _REPLY_BYTES:
                break
        return response.status_code


def _reason(error: httpx.TransportError | httpx.InvalidURL) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"No answer came within {SECONDS:g} s."
    if isinstance(error, httpx.TransportError) and is_certificate_error(error):
        return "The receiver has no valid certificate for its name."
    if isinstance(error, httpx.ConnectError):
        return "No connection could be made."
    return "The connection broke before an answer came."
