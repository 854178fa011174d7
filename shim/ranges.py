"""Ranges and conditions of requests for a file, as RFC 9110 has them (sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from shim.refusals import RangeNotSatisfiable

_RANGE = re.compile(r"(\d{1,40})-(\d{0,40})|-(\d{1,40})", re.ASCII)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True)
class Validators:
    """What a file's versions are told apart by. ``etag`` carries no quotes; ``modified`` has its zone."""

    etag: str
    modified: datetime

    @property
    def tag(self) -> str:
        return f'"{self.etag}"'

    @property
    def last_modified(self) -> str:
        return format_datetime(self._second, usegmt=True)

    @property
    def _second(self) -> datetime:
        """HTTP's dates have no fractions."""
        return self.modified.astimezone(UTC).replace(microsecond=0)

    def is_current(self, headers: Mapping[str, str]) -> bool:
        """Whether the client's If-None-Match or If-Modified-Since says that it has this version."""
        if (tags := headers.get("if-none-match")) is not None:
            return tags.strip() == "*" or self.tag in {tag.removeprefix("W/") for tag in _TAG.findall(tags)}
        since = _date(headers.get("if-modified-since", ""))
        return since is not None and self._second <= since

    def permits_range(self, headers: Mapping[str, str]) -> bool:
        """Whether If-Range, where it is sent, names this version; weak tags never do."""
        named = headers.get("if-range", "").strip()
        return not named or named == self.tag or _date(named) == self._second


@dataclass(frozen=True)
class ByteRange:
    """Bytes [start, end) of a file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """The range that a Range header asks for; None where the whole file is the answer.

    That is so without the header, for other units than bytes, for a header that is no range, and for several ranges
    at once: a server may ignore those, and players ask for one. Raises RangeNotSatisfiable when no byte is in it.
    """
    unit, _, listed = (header or "").partition("=")
    if unit.strip().lower() != "bytes":
        return None
    matches = [_RANGE.fullmatch(part.strip()) for part in listed.split(",") if part.strip()]
    if len(matches) != 1 or matches[0] is None:
        return None
    return _within(matches[0], size)


def _within(match: re.Match[str], size: int) -> ByteRange | None:
    first, last, suffix = (_number(text) for text in match.groups(default=""))
    if suffix is not None:
        start, end = max(0, size - suffix), size
    else:
        start, end = first or 0, size if last is None else min(last + 1, size)
        if last is not None and last < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end)


def _number(digits: str) -> int | None:
    return int(digits) if digits else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
