from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from engine.store.sigv4 import SigningKey, presign

NOON = datetime(2013, 5, 24, 12, tzinfo=UTC)


def key(access_id: str = "AKIAIOSFODNN7EXAMPLE", secret: str = "sesame", region: str = "us-east-1") -> SigningKey:
    return SigningKey(SecretStr(access_id), SecretStr(secret), region)


def test_amazons_own_example() -> None:
    """The figures of sigv4-query-string-auth.html."""
    signing = key(secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    midnight = datetime(2013, 5, 24, tzinfo=UTC)
    url = presign("GET", "https://examplebucket.s3.amazonaws.com/test.txt", signing, midnight, 86400)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@given(
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    host=st.sampled_from(["s3.example.com", "films.s3.example.com:9000", "[::1]:9000"]),
    path=st.from_regex(r"\A(/[A-Za-z0-9._-]{1,9}){1,4}\Z").filter(lambda path: "/." not in path),
    access_id=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1),
    secret=st.text(st.characters(exclude_categories=["C"]), min_size=1),
    region=st.sampled_from(["us-east-1", "auto", "eu-west-1"]),
    seconds=st.integers(1, 604_800),
    content_type=st.none() | st.sampled_from(["video/mp4", "text/vtt"]),
)
def test_botocore_signs_the_same(
    method: str,
    host: str,
    path: str,
    access_id: str,
    secret: str,
    region: str,
    seconds: int,
    content_type: str | None,
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    request = AWSRequest(method, f"https://{host}{path}", headers=headers)
    S3SigV4QueryAuth(Credentials(access_id, secret), "s3", region, seconds).add_auth(request)
    theirs = parse_qs(urlsplit(request.url).query)
    moment = datetime.strptime(theirs["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    ours = presign(method, f"https://{host}{path}", key(access_id, secret, region), moment, seconds, headers)
    assert parse_qs(urlsplit(ours).query) == theirs


def test_the_moment_is_told_in_utc() -> None:
    here = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert presign("GET", "https://a.example/b", key(), here, 60) == presign(
        "GET", "https://a.example/b", key(), NOON, 60
    )


@pytest.mark.parametrize("shown", [key(access_id="hidden-id", secret="hidden-secret")])
def test_a_key_shows_nothing(shown: SigningKey) -> None:
    assert "hidden" not in f"{shown} {shown!r}"
