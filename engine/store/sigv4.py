"""Addresses that carry their own permission: Amazon's Signature Version 4 in the query.

docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class SigningKey:
    """An access key and the region that it signs for."""

    access_id: SecretStr
    secret: SecretStr
    region: str


def presign(
    method: str, url: str, key: SigningKey, now: datetime, seconds: int, headers: Mapping[str, str] | None = None
) -> str:
    """``url`` with the permission to make one kind of request of it until ``seconds`` after ``now``.

    ``url`` has neither query nor fragment, its host is written as the Host header will be, and its path is encoded.
    The request has to carry ``headers``, whose names are in small letters, and may hold any body.
    """
    parts = urlsplit(url)
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{key.region}/s3/aws4_request"
    signed = sorted({**(headers or {}), "host": parts.netloc}.items())
    names = ";".join(name for name, _ in signed)
    query = _query(key, scope, stamp, seconds, names)
    lines = [method, parts.path, query, *(f"{name}:{value}" for name, value in signed), "", names, "UNSIGNED-PAYLOAD"]
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    return f"{url}?{query}&X-Amz-Signature={_signature(key.secret, scope, text)}"


def _query(key: SigningKey, scope: str, stamp: str, seconds: int, names: str) -> str:
    fields = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{key.access_id.get_secret_value()}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def _signature(secret: SecretStr, scope: str, text: str) -> str:
    """The HMAC of ``text`` under a key that is derived from the secret through each part of the scope."""
    steps = [*scope.split("/"), text]
    return reduce(_hmac, steps, f"AWS4{secret.get_secret_value()}".encode()).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
