"""What the bucket that came with a job answers, told to the caller: no secret, no header, no foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from engine.errors import EngineError, S3ConfigInvalid, S3ConfigRejected, UrlNotAllowed, UrlUnreachable
from engine.fetching.transport import is_certificate_error
from engine.outages import UrlUnavailable
from engine.store.patience import NoAnswer

_CODE = re.compile(rb"<Code>\s*([A-Za-z0-9.]{1,60})\s*</Code>")
_LONGEST_ERROR = 64 << 10

_PASSING = frozenset({408, 425, 429})
_LASTING = frozenset({501, 505, 507})
_AGAIN = frozenset({"RequestTimeout", "SlowDown", "OperationAborted"})
_ELSEWHERE = frozenset({"AuthorizationQueryParametersError", "AuthorizationHeaderMalformed"})


@dataclass(frozen=True)
class Answer:
    """A bucket's answer to one request: its status, the error's code or nothing, and the object's etag or nothing."""

    status: int
    code: str = ""
    etag: str = ""

    @property
    def absent(self) -> bool:
        """No object has the key, in a bucket that exists."""
        return self.status == 404 and self.code in ("NoSuchKey", "")

    @property
    def denied(self) -> bool:
        """The access key is right, and this is not among what it may do."""
        return self.status == 403 and self.code == "AccessDenied"

    def require_done(self) -> None:
        """S3ConfigRejected unless the bucket did as it was asked."""
        if not 200 <= self.status < 300:
            raise S3ConfigRejected(self._refusal())

    def require_lasting(self) -> None:
        """NoAnswer when the next attempt may be answered otherwise."""
        if self.status in _PASSING or self.code in _AGAIN or (self.status >= 500 and self.status not in _LASTING):
            raise NoAnswer(f"The bucket in s3Config is overloaded or failing ({self._told}). Try again later.")

    @property
    def _told(self) -> str:
        return f"status {self.status}, {self.code}" if self.code else f"status {self.status}"

    def _refusal(self) -> str:
        if self.status == 404:
            return f"There is no such bucket ({self._told}): check bucketName and endpointUrl in s3Config."
        if 300 <= self.status < 400 or self.code in _ELSEWHERE:
            return (
                f"The bucket in s3Config is elsewhere ({self._told}): give the endpointUrl of the bucket's own region, "
                "such as https://s3.eu-west-1.amazonaws.com."
            )
        if self.status in (401, 403):
            return (
                f"The bucket in s3Config refuses the access key ({self._told}): check accessId and accessSecret, and "
                "that the key may write and read there."
            )
        return f"The bucket in s3Config refuses the request ({self._told}): check that it takes S3's presigned PUTs."


def read_answer(response: httpx.Response) -> Answer:
    """The answer without its body, of which only an error's beginning is read."""
    code = "" if response.is_success else _code(response)
    return Answer(response.status_code, code, response.headers.get("ETag", "").strip('"'))


def _code(response: httpx.Response) -> str:
    beginning = b""
    for piece in response.iter_raw():
        beginning += piece
        if len(beginning) > _LONGEST_ERROR:
            break
    found = _CODE.search(beginning)
    return found[1].decode("ascii") if found else ""


@contextmanager
def network_told(host: str) -> Iterator[None]:
    """Turn what the guard and the network raise in the block into S3ConfigInvalid and NoAnswer."""
    try:
        yield
    except (UrlNotAllowed, UrlUnreachable) as error:
        raise S3ConfigInvalid(f"s3Config can't be used. endpointUrl: {error.message}") from error
    except UrlUnavailable as error:
        raise NoAnswer(error.message) from error
    except httpx.TransportError as error:
        raise _reason(error, host) from error


def _reason(error: httpx.TransportError, host: str) -> EngineError:
    if is_certificate_error(error):
        return S3ConfigInvalid(f"s3Config can't be used. endpointUrl: {host} has no valid certificate for its name.")
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer(f"The bucket in s3Config, at {host}, doesn't answer in time. Try again later.")
    return NoAnswer(f"The connection to the bucket in s3Config, at {host}, can't be made or broke. Try again later.")
