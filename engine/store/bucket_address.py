"""Where a bucket is on the network, and what its parts may look like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from engine.store.keys import is_key

BUCKET_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$"

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
_ANY_REGION = "us-east-1"
# Stores that refuse a signature for another region than the one in their host's name.
_REGIONAL = re.compile(
    r"s3(?:-fips)?(?:\.dualstack)?[.-]([a-z0-9-]+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|backblazeb2\.com|wasabisys\.com|scw\.cloud|io\.cloud\.ovh\.(?:net|us))"
)


@dataclass(frozen=True)
class BucketAddress:
    """The endpoint without the bucket's name, and where requests put that name."""

    endpoint_url: str
    style: Literal["path", "virtual"]

    @property
    def region(self) -> str:
        """The region that the endpoint's host names, or the one that stands for any."""
        host = urlsplit(self.endpoint_url).hostname or ""
        if host.endswith(".r2.cloudflarestorage.com"):
            return "auto"
        regional = _REGIONAL.fullmatch(host)
        return regional[1] if regional else _ANY_REGION


def address_of(endpoint_url: str, name: str) -> BucketAddress:
    """How the bucket is addressed: as its endpoint shows, else on Amazon's hosts by name and elsewhere by path."""
    parts = urlsplit(endpoint_url)
    if parts.netloc.startswith(f"{name}."):
        return BucketAddress(_endpoint(parts, parts.netloc.removeprefix(f"{name}."), parts.path), "virtual")
    if parts.path.endswith(f"/{name}"):
        return BucketAddress(_endpoint(parts, parts.netloc, parts.path.removesuffix(f"/{name}")), "path")
    # A certificate for one label doesn't cover a bucket's name with dots.
    by_name = (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")) and "." not in name
    return BucketAddress(endpoint_url, "virtual" if by_name else "path")


def checked_base(url: str) -> str:
    """``url`` without a slash at its end; ValueError unless it is http(s), a host and perhaps a port and a path."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("is no URL") from error  # Python's own sentence quotes it.
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
        raise ValueError("has to be https:// or http:// and a host, with a port where it needs one")
    if parts.query or parts.fragment:
        raise ValueError("may hold no query or fragment")
    return url.rstrip("/")


def checked_folder(path: str) -> str:
    """What the keys beneath ``path`` begin with: empty, or with a slash at its end. ValueError when no key can."""
    folder = path.strip("/")
    if folder and not is_key(folder):
        raise ValueError("has to consist of letters, digits, '.', '_' and '-', parted by '/'")
    return f"{folder}/" if folder else ""


def _endpoint(parts: SplitResult, host: str, path: str) -> str:
    return f"{parts.scheme}://{host}{path}"
