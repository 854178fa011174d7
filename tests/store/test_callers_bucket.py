"""The bucket that came with a job, on a quick server and on servers that behave badly. Signatures are not looked at."""

from __future__ import annotations

import io
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import EngineError, S3ConfigInvalid, S3ConfigRejected
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.outages import S3ConfigUnavailable
from engine.store.callers_bucket import CallersBucket
from engine.store.callers_bucket_config import CallersBucketConfig
from engine.store.patience import Patience
from engine.store.protocol import OutputStore
from tests.fetching.test_download import Names
from tests.servers.endpoint import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.wire_server import Asked, Authority, Script, always, head, serving, whole

HOST = "bucket.example"
QUICK = Patience(operation=1.0, transfer=2.0, connect=0.5, read=0.5, first_pause=0.01, longest_pause=0.05)
LOOPBACK = Names(bucket_example=["127.0.0.1"])


def config(url: str, bucket: str = "films", **changes: object) -> CallersBucketConfig:
    given = {
        "accessId": ACCESS_KEY_ID,
        "accessSecret": SECRET_ACCESS_KEY,
        "bucketName": bucket,
        "endpointUrl": url,
        "objectPath": uuid.uuid4().hex,
    }
    return CallersBucket.parse(given | changes)


def listed(url: str) -> GuardedFetcher:
    """A guard whose operator has listed the URL's host."""
    return GuardedFetcher(FetchPolicy(frozenset({url.partition("://")[2].partition("/")[0]})), resolver=LOOPBACK)


def bucket_at(url: str, cancel: CancelToken | None = None, patience: Patience = QUICK) -> CallersBucket:
    return CallersBucket(config(url), listed(url), cancel or CancelToken(), patience=patience)


@pytest.fixture
def proxy(moto: S3Endpoint) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto.port) as running:
        yield running


@pytest.fixture
def bucket(moto: S3Endpoint, proxy: FaultyProxy) -> CallersBucket:
    return CallersBucket(config(proxy.url, moto.bucket), listed(proxy.url), CancelToken(), patience=QUICK)


def stored(moto: S3Endpoint, bucket: CallersBucket, key: str) -> tuple[bytes, str]:
    """What lies on the server: the bytes and their type."""
    found = moto.client().get_object(Bucket=moto.bucket, Key=bucket.config.object_path + key)
    return found["Body"].read(), found["ContentType"]


def kept(moto: S3Endpoint, bucket: CallersBucket) -> int:
    """How many objects lie beneath the bucket's path."""
    listing = moto.client().list_objects_v2(Bucket=moto.bucket, Prefix=bucket.config.object_path)
    return int(listing["KeyCount"])


def refusal(script: Script, status: type[EngineError]) -> EngineError:
    """The error of an upload to such a server."""
    with serving(script) as server, pytest.raises(status) as caught:
        bucket_at(f"http://{HOST}:{server.port}").put("a", b"1")
    return caught.value


def test_it_takes_what_a_job_makes(moto: S3Endpoint, bucket: CallersBucket) -> None:
    store: OutputStore = bucket
    info = store.put("job/captions.vtt", b"words", "text/vtt")
    assert (info.key, info.size) == ("job/captions.vtt", 5)
    assert stored(moto, bucket, "job/captions.vtt") == (b"words", "text/vtt")
    info = store.upload("job/video.mp4", io.BytesIO(b"film"), "video/mp4")
    assert stored(moto, bucket, "job/video.mp4") == (b"film", "video/mp4")
    answer = moto.client().head_object(Bucket=moto.bucket, Key=f"{bucket.config.object_path}job/video.mp4")
    assert f'"{info.etag}"' == answer["ETag"]


def test_an_upload_is_what_is_left_of_a_file(moto: S3Endpoint, bucket: CallersBucket, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"read before, and the rest")
    with path.open("rb") as file:
        file.seek(13)
        assert bucket.upload("a", file).size == 12
    assert stored(moto, bucket, "a")[0] == b"and the rest"
    bucket.upload("empty", io.BytesIO())
    assert stored(moto, bucket, "empty")[0] == b""


def test_a_later_write_takes_the_place_of_an_earlier_one(moto: S3Endpoint, bucket: CallersBucket) -> None:
    bucket.put("a", b"first")
    bucket.put("a", b"second")
    assert stored(moto, bucket, "a")[0] == b"second"


def test_deleting_removes_what_is_there(moto: S3Endpoint, bucket: CallersBucket) -> None:
    bucket.put("a", b"1")
    bucket.delete("a")
    bucket.delete("a")
    bucket.delete("never")
    assert kept(moto, bucket) == 0


def test_it_knows_what_it_holds_and_leaves_nothing(moto: S3Endpoint, bucket: CallersBucket) -> None:
    assert not bucket.holds("a")
    assert kept(moto, bucket) == 0
    bucket.put("a", b"12")
    bucket.put("empty", b"")
    assert bucket.holds("a")
    assert bucket.holds("empty")


def test_a_request_carries_nothing_beyond_its_need(bucket: CallersBucket, proxy: FaultyProxy) -> None:
    bucket.put("a", b"1", "text/vtt")
    bucket.delete("a")
    plain = {"Host", "User-Agent", "Accept-Encoding"}
    put, delete = proxy.seen
    assert set(put.headers) == plain | {"content-type", "Content-Length"}
    assert set(delete.headers) == plain


@pytest.mark.parametrize("key", ["", "../a", "/a", "a b"])
def test_a_key_has_a_form(bucket: CallersBucket, proxy: FaultyProxy, key: str) -> None:
    for use in (bucket.delete, bucket.holds, bucket.url, lambda key: bucket.put(key, b"1")):
        with pytest.raises(ValueError, match="not a key"):
            use(key)
    assert proxy.seen == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(
    moto: S3Endpoint, bucket: CallersBucket, proxy: FaultyProxy, status: int
) -> None:
    proxy.faults += [Fault("PUT", "refuse", status=status), Fault("PUT", "lose answer")]
    bucket.upload("a", io.BytesIO(b"whole each time"))
    assert proxy.faults == []
    assert stored(moto, bucket, "a")[0] == b"whole each time"
    proxy.faults += [Fault("DELETE", "refuse", status=status), Fault("GET", "lose answer")]
    bucket.delete("a")
    assert not bucket.holds("a")


def test_a_timeout_of_the_buckets_own_is_tried_again(bucket: CallersBucket, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("PUT", "refuse", status=400, code="RequestTimeout"))
    bucket.put("a", b"1")
    assert len(proxy.seen) == 2


def test_a_bucket_that_keeps_failing_is_an_outage(bucket: CallersBucket, proxy: FaultyProxy) -> None:
    proxy.faults += [Fault("PUT", "refuse")] * 1000
    began = time.monotonic()
    with pytest.raises(S3ConfigUnavailable, match="status 503, SlowDown") as caught:
        bucket.put("a", b"1")
    assert time.monotonic() - began < 3
    assert (caught.value.code, caught.value.retryable) == ("s3_config_unavailable", True)
    assert len(proxy.seen) > 3


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "SignatureDoesNotMatch", "accessId and accessSecret"),
        (403, "AccessDenied", "may write and read"),
        (401, "Unauthorized", "accessId"),
        (404, "NoSuchBucket", "bucketName"),
        (301, "PermanentRedirect", "region"),
        (400, "AuthorizationQueryParametersError", "region"),
        (400, "EntityTooLarge", "refuses the request"),
        (501, "NotImplemented", "refuses the request"),
        (507, "XMinioStorageFull", "refuses the request"),
    ],
)
def test_a_lasting_refusal_is_the_callers_error_at_once(
    bucket: CallersBucket, proxy: FaultyProxy, status: int, code: str, sentence: str
) -> None:
    proxy.faults.append(Fault("PUT", "refuse", status=status, code=code))
    with pytest.raises(S3ConfigRejected, match=sentence) as caught:
        bucket.put("a", b"1")
    assert f"(status {status}, {code})" in caught.value.message
    assert (caught.value.code, caught.value.http_status, caught.value.retryable) == ("s3_config_rejected", 400, False)
    assert len(proxy.seen) == 1


def test_a_key_that_may_only_write_is_good_enough_to_begin_with(bucket: CallersBucket, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("GET", "refuse", status=403, code="AccessDenied"))
    assert not bucket.holds("a")


@pytest.mark.parametrize(("status", "code"), [(403, "SignatureDoesNotMatch"), (404, "NoSuchBucket"), (403, "")])
def test_a_useless_bucket_is_found_before_there_is_anything_to_send(
    bucket: CallersBucket, proxy: FaultyProxy, status: int, code: str
) -> None:
    proxy.faults += [Fault("GET", "refuse", status=status, code=code)]
    with pytest.raises(S3ConfigRejected):
        bucket.holds("a")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>no</html>", b"<Code>" + b"A" * 61 + b"</Code>", b"<Code>a b</Code>", b" " * 200_000 + b"<Code>Late"],
)
def test_an_answer_that_says_no_code_is_told_by_its_status(body: bytes) -> None:
    error = refusal(always(whole(body, 403)), S3ConfigRejected)
    assert "(status 403)" in error.message


def test_a_redirect_is_not_followed() -> None:
    with serving(always(whole(b""))) as elsewhere:
        away = f"http://{HOST}:{elsewhere.port}/"
        error = refusal(always(whole(b"", 307, Location=away)), S3ConfigRejected)
    assert "status 307" in error.message
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://s3.example.com",
        "https://169.254.169.254",
        "http://169.254.169.254/latest",
        "https://127.0.0.1:9000",
        "https://[::1]:9000",
        "https://[::ffff:a00:1]",
        "https://2130706433",
        "https://0x7f.1",
        "https://localhost.example",
        "https://films.localhost.example",
        "https://nobody.example",
        "https://bucket.example:0",
    ],
)
def test_an_endpoint_that_is_not_on_the_public_internet_is_refused(endpoint: str) -> None:
    names = Names(localhost_example=["127.0.0.1"], films_localhost_example=["10.0.0.1"])
    bucket = CallersBucket(config(endpoint), GuardedFetcher(FetchPolicy(), resolver=names), CancelToken())
    uses = (lambda: bucket.put("a", b"1"), lambda: bucket.holds("a"), lambda: bucket.delete("a"))
    for use in uses:
        with pytest.raises(S3ConfigInvalid, match="endpointUrl: ") as caught:
            use()
        assert (caught.value.code, caught.value.retryable) == ("s3_config_invalid", False)


def test_a_name_that_turns_inside_after_it_was_checked_is_refused() -> None:
    with serving(always(whole(b""))) as server:
        names = Names(rebind_example=["93.184.215.14", "127.0.0.1"])
        fetcher = GuardedFetcher(FetchPolicy(), resolver=names)
        endpoint = f"https://rebind.example:{server.port}"
        fetcher.check(endpoint)
        with pytest.raises(S3ConfigInvalid, match="not on the public internet"):
            CallersBucket(config(endpoint), fetcher, CancelToken()).put("a", b"1")
    assert server.asked == []
    assert names.asked == ["rebind.example"] * 2


def test_over_tls_the_buckets_name_is_kept(tmp_path: Path) -> None:
    authority = Authority.new()
    context = authority.server_context(f"films.{HOST}", tmp_path)
    names = Names(films_bucket_example=["127.0.0.1"])
    with serving(always(whole(b"")), context) as server:
        fetcher = GuardedFetcher(
            FetchPolicy(frozenset({f"films.{HOST}"})), resolver=names, tls=authority.client_context()
        )
        endpoint = f"https://films.{HOST}:{server.port}"
        CallersBucket(config(endpoint, objectPath=None), fetcher, CancelToken()).put("a", b"1")
    assert server.names == [f"films.{HOST}"]
    assert server.asked[0].headers["host"] == f"films.{HOST}:{server.port}"
    assert server.asked[0].path.startswith("/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_an_endpoint_without_a_valid_certificate_is_refused(tmp_path: Path) -> None:
    context = Authority.new().server_context(HOST, tmp_path)
    with serving(always(whole(b"")), context) as server, pytest.raises(S3ConfigInvalid, match="certificate"):
        bucket_at(f"https://{HOST}:{server.port}").put("a", b"1")
    assert server.asked == []


def test_nobody_at_the_endpoint_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(S3ConfigUnavailable, match=HOST):
        bucket_at(f"http://{HOST}:{port}").put("a", b"1")


def test_silence_is_an_outage() -> None:
    began = time.monotonic()
    error = refusal(lambda connection, _: time.sleep(5), S3ConfigUnavailable)
    assert "doesn't answer in time" in error.message
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Long: ", head(500, Content_Length=1000)])
def test_a_slow_drip_is_cut_at_the_time_in_all(start: bytes) -> None:
    def script(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"a")
            time.sleep(0.02)

    began = time.monotonic()
    refusal(script, S3ConfigUnavailable)
    assert time.monotonic() - began < QUICK.transfer + 2


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"SSH-2.0-server\r\n"])
def test_a_broken_answer_is_an_outage(answer: bytes) -> None:
    refusal(always(answer), S3ConfigUnavailable)


def test_a_cancel_ends_an_upload_and_not_the_cleaning_up() -> None:
    cancel = CancelToken()
    stuck = threading.Event()

    def cancel_when_stuck() -> None:
        stuck.wait(10)
        cancel.cancel()

    def script(connection: socket.socket, asked: Asked) -> None:
        if "content-length" in asked.headers:
            stuck.set()
            time.sleep(10)
        connection.sendall(whole(b""))

    patience = Patience(operation=20, transfer=20)
    with serving(script) as server:
        bucket = bucket_at(f"http://{HOST}:{server.port}", cancel, patience)
        threading.Thread(target=cancel_when_stuck).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            bucket.put("a", b"1")
        assert time.monotonic() - began < 8
        with pytest.raises(Cancelled):
            bucket.holds("a")
        bucket.delete("a")
    assert len(server.asked) == 2


def test_no_error_shows_the_key_or_a_signature() -> None:
    def told(script: Script) -> str:
        with serving(script) as server, pytest.raises(EngineError) as caught:
            bucket_at(f"http://{HOST}:{server.port}").put("a", b"1")
        return "".join(traceback.format_exception(caught.value))

    for script in (always(whole(b"", 403)), always(whole(b"", 500)), always(b""), lambda *_: time.sleep(1)):
        text = told(script)
        assert SECRET_ACCESS_KEY not in text
        assert ACCESS_KEY_ID not in text
        assert "X-Amz" not in text


def test_a_bucket_shows_neither_key() -> None:
    shown = repr(bucket_at("https://s3.example.com"))
    assert "films" in shown
    assert SECRET_ACCESS_KEY not in shown
    assert ACCESS_KEY_ID not in shown
