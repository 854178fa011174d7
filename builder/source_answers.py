"""What a source's response means for a download."""

from __future__ import annotations

import re

import httpx

from builder.fetch_errors import AccessRefused, FetchError, SourceFailed
from builder.progress import readable
from builder.weights_manifest import DirectFile, HubFile, WeightFile

_PASSING = frozenset({408, 425, 429})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Broken(FetchError):
    """This attempt failed, another may succeed; ``asked_for`` is how many seconds the server wants us to wait."""

    def __init__(self, message: str, asked_for: float = 0.0) -> None:
        super().__init__(message)
        self.asked_for = asked_for


def require_answer(
    response: httpx.Response, weight: WeightFile, source: HubFile | DirectFile, title: str, with_token: bool
) -> None:
    """Return for a status that brings bytes, or says that the range is wrong; SourceFailed or Broken for others."""
    status = response.status_code
    if status in _PASSING or status >= 500:
        raise Broken(f"{title} can't be had at the moment (status {status}).", _retry_after(response))
    if status in (401, 403):
        raise AccessRefused(_refusal(source, title, status, with_token))
    if status not in (200, 206, 416):
        raise SourceFailed(f"{title} can't be had (status {status}).")
    if status == 200:
        _require_size(response, weight, title)


def offset_of(response: httpx.Response, asked: int, weight: WeightFile, title: str) -> int | None:
    """Where in the file the response's bytes begin: where we asked, or 0 for a server that ignores ranges.

    None when the part that is there can't be continued. SourceFailed when the file has another size.
    """
    if response.status_code == 200:
        return 0
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code == 416 or found is None or int(found[1]) != asked:
        return None
    if found[2] not in ("*", str(weight.bytes)):
        raise _wrong_size(int(found[2]), weight, title)
    return asked


def _require_size(response: httpx.Response, weight: WeightFile, title: str) -> None:
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != weight.bytes:
        raise _wrong_size(int(length), weight, title)


def _wrong_size(size: int, weight: WeightFile, title: str) -> SourceFailed:
    return SourceFailed(
        f"{title} has {readable(size)} where {readable(weight.bytes)} were expected: it is another file."
    )


def _retry_after(response: httpx.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _refusal(source: HubFile | DirectFile, title: str, status: int, with_token: bool) -> str:
    if isinstance(source, DirectFile):
        return f"{title} is refused (status {status})."
    if with_token:
        hint = f"Accept the terms on the page of {source.repo} with HF_TOKEN's account, and check the token's rights."
    else:
        hint = (
            f"Accept the terms on the page of {source.repo} if it has any, and set HF_TOKEN to a token that may read."
        )
    return f"{title} is refused (status {status}). {hint}"
