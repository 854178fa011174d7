"""The bucket that came with a job, on a real server, which looks at signatures."""

from __future__ import annotations

import io
import logging
import time
import tracemalloc
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.cancel import CancelToken
from engine.errors import S3ConfigRejected
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.store.callers_bucket import CallersBucket
from tests.fetching.test_download import Names
from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint
from tests.store.test_s3_radosgw import ask

NAMES = Names(localhost=["127.0.0.1"], **{"test-bucket_localhost": ["127.0.0.1"]})


def open_bucket(
    server: S3Endpoint, *, url_seconds: int = 60, changes: Mapping[str, str] | None = None
) -> CallersBucket:
    given = {
        "accessId": ACCESS_KEY_ID,
        "accessSecret": SECRET_ACCESS_KEY,
        "bucketName": server.bucket,
        "endpointUrl": server.url,
        "objectPath": f"/{uuid.uuid4().hex}/films/",
    }
    policy = FetchPolicy(frozenset({"localhost", f"{server.bucket}.localhost"}))
    fetcher = GuardedFetcher(policy, resolver=NAMES)
    return CallersBucket(CallersBucket.parse({**given, **(changes or {})}), fetcher, CancelToken(), url_seconds)


@pytest.fixture
def bucket(radosgw: S3Endpoint) -> CallersBucket:
    return open_bucket(radosgw)


def test_the_address_in_a_reply_gives_the_object_without_a_secret(radosgw: S3Endpoint, bucket: CallersBucket) -> None:
    bucket.upload("a/video.mp4", io.BytesIO(b"film"), "video/mp4")
    url = bucket.url("a/video.mp4")
    assert SECRET_ACCESS_KEY not in url
    assert ask(url) == (200, b"film")
    assert ask(url, Range="bytes=1-2") == (206, b"il")
    found = radosgw.client().head_object(Bucket=radosgw.bucket, Key=f"{bucket.config.object_path}a/video.mp4")
    assert found["ContentType"] == "video/mp4"


def test_the_address_in_a_reply_opens_nothing_else(bucket: CallersBucket) -> None:
    bucket.put("a", b"1")
    bucket.put("b", b"2")
    url = bucket.url("a")
    for tampered in (url.replace("/a?", "/b?"), url.replace("Expires=60", "Expires=61"), url.partition("?")[0]):
        assert ask(tampered)[0] == 403
    assert ask(url, "PUT", b"3")[0] == 403
    assert ask(url, "DELETE")[0] == 403


def test_the_address_in_a_reply_ends_with_its_time(radosgw: S3Endpoint) -> None:
    bucket = open_bucket(radosgw, url_seconds=1)
    bucket.put("a", b"1")
    url = bucket.url("a")
    assert ask(url)[0] == 200
    time.sleep(2.1)
    assert ask(url)[0] == 403


@pytest.mark.parametrize("form", ["http://{bucket}.localhost:{port}", "http://localhost:{port}/{bucket}/"])
def test_the_bucket_may_stand_in_the_endpoint(radosgw: S3Endpoint, form: str) -> None:
    endpoint = form.format(bucket=radosgw.bucket, port=radosgw.port)
    bucket = open_bucket(radosgw, changes={"endpointUrl": endpoint})
    assert not bucket.holds("a")
    bucket.put("a", b"1")
    assert bucket.holds("a")
    assert ask(bucket.url("a")) == (200, b"1")
    assert (urlsplit(bucket.url("a")).hostname == "localhost") == form.startswith("http://localhost")
    bucket.delete("a")
    assert not bucket.holds("a")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"accessSecret": "not-the-secret-of-anyone"}, "SignatureDoesNotMatch"),
        ({"accessId": "AKIANOBODY"}, "InvalidAccessKeyId"),
        ({"bucketName": "no-such-bucket"}, "NoSuchBucket"),
    ],
)
def test_a_wrong_key_or_bucket_is_rejected_with_the_servers_reason(
    radosgw: S3Endpoint, bucket: CallersBucket, wrong: dict[str, str], code: str
) -> None:
    bucket.put("kept", b"1")
    mistaken = open_bucket(radosgw, changes={"objectPath": bucket.config.object_path, **wrong})
    uses = (
        lambda: mistaken.holds("a"),
        lambda: mistaken.put("a", b"1"),
        lambda: mistaken.upload("a", io.BytesIO(bytes(3_000_000))),
        lambda: mistaken.delete("kept"),
    )
    for use in uses:
        with pytest.raises(S3ConfigRejected, match=code) as caught:
            use()
        assert not any(secret in caught.value.message for secret in wrong.values() if secret != "no-such-bucket")
    assert not bucket.holds("a")
    assert bucket.holds("kept")


def test_a_large_file_is_sent_in_pieces(radosgw: S3Endpoint, bucket: CallersBucket, tmp_path: Path) -> None:
    size = 100_000_000
    path = tmp_path / "video.mp4"
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - 3)
        file.write(b"end")
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            assert bucket.upload("large", file, "video/mp4").size == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert ask(bucket.url("large"), Range=f"bytes={size - 4}-") == (206, b"\0end")
    bucket.delete("large")


def test_no_log_shows_the_key_or_a_signature(
    radosgw: S3Endpoint, bucket: CallersBucket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "engine"):
        caplog.set_level(logging.DEBUG, logger=name)
    bucket.put("a", b"1")
    bucket.holds("a")
    bucket.url("a")
    bucket.delete("a")
    with pytest.raises(S3ConfigRejected):
        open_bucket(radosgw, changes={"accessSecret": "the-other-secret"}).put("a", b"1")
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    shown = [SECRET_ACCESS_KEY, "the-other-secret", ACCESS_KEY_ID, "X-Amz-Signature", "X-Amz-Credential"]
    assert [text for text in shown if text in caplog.text] == []
