"""The object store in a bucket of a real server, which looks at signatures, their age and every byte they cover."""

from __future__ import annotations

import http.client
import io
import time
from functools import partial
from urllib.parse import urlsplit

import pytest

from engine.errors import ConfigurationError
from engine.store.bucket_settings import BucketSettings
from engine.store.patience import Patience
from engine.store.s3 import S3Store
from engine.store.s3_parts import PART_BYTES
from tests.servers.endpoint import SECRET_ACCESS_KEY, S3Endpoint
from tests.servers.faulty_proxy import Fault, faulty_proxy
from tests.store.contract import PieceStream, StoreContract
from tests.store.racers import OpenStore

QUICK = Patience(operation=5.0, first_pause=0.01, longest_pause=0.05)


@pytest.fixture
def open_store(radosgw: S3Endpoint) -> OpenStore:
    return partial(S3Store, radosgw.settings())


class TestContract(StoreContract):
    """A bucket of a real server is an object store."""


@pytest.fixture
def settings(radosgw: S3Endpoint) -> BucketSettings:
    return radosgw.settings()


@pytest.fixture
def store(settings: BucketSettings) -> S3Store:
    return S3Store(settings, QUICK)


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of one request to ``url``, whose host is this machine whatever it is called."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"{parts.path}?{parts.query}", body, {"Host": parts.netloc} | named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_the_conditions_are_proven(store: S3Store) -> None:
    store.prove_conditions()
    assert list(store.list("")) == []


def test_a_presigned_address_gives_the_object_without_a_secret(store: S3Store) -> None:
    store.put("films/a.mp4", b"film", "video/mp4")
    url = store.url("films/a.mp4")
    assert SECRET_ACCESS_KEY not in url
    assert ask(url) == (200, b"film")
    assert ask(url, Range="bytes=1-2") == (206, b"il")


def test_a_tampered_address_is_refused(store: S3Store) -> None:
    store.put("a", b"1")
    store.put("b", b"2")
    url = store.url("a")
    plain = url.partition("?")[0]
    later = url.replace("X-Amz-Expires=86400", "X-Amz-Expires=86401")
    assert later != url
    for tampered in (url.replace("/a?", "/b?"), url[:-1] + ("0" if url[-1] != "0" else "1"), later, plain):
        assert ask(tampered)[0] == 403
    assert ask(url, "PUT", b"3")[0] == 403
    assert ask(url, "DELETE")[0] == 403
    assert ask(url) == (200, b"1")


def test_an_address_ends_with_its_time(radosgw: S3Endpoint) -> None:
    brief = S3Store(radosgw.settings(presign_ttl_seconds=1))
    brief.put("a", b"1")
    url, put = brief.url("a"), brief.presign_put("b", "text/plain", 1, 1)
    assert ask(url)[0] == 200
    time.sleep(2.1)
    assert ask(url)[0] == 403
    assert ask(put, "PUT", b"2", Content_Type="text/plain")[0] == 403
    assert brief.head("b") is None


def test_a_presigned_put_takes_that_object_of_that_type(store: S3Store) -> None:
    url = store.presign_put("uploads/a", "video/mp4", 4, 60)
    assert ask(url, "PUT", b"film", Content_Type="text/html")[0] == 403
    assert ask(url, "PUT", b"films", Content_Type="video/mp4")[0] == 403
    assert ask(url, "PUT", b"fil", Content_Type="video/mp4")[0] == 403
    assert ask(url.replace("uploads/a?", "uploads/b?"), "PUT", b"film", Content_Type="video/mp4")[0] == 403
    assert ask(url, "PUT", b"film", Content_Type="video/mp4")[0] == 200
    assert [info.key for info in store.list("")] == ["uploads/a"]
    found = store.get("uploads/a")
    assert found is not None
    assert found.body == b"film"


def test_the_bucket_may_stand_in_the_hosts_name(radosgw: S3Endpoint, settings: BucketSettings, store: S3Store) -> None:
    store.put("a", b"1")
    named = settings.model_copy(update={"endpoint_url": f"http://{radosgw.bucket}.localhost:{radosgw.port}"})
    url = S3Store(named).url("a")
    assert urlsplit(url).hostname == f"{radosgw.bucket}.localhost"
    assert ask(url) == (200, b"1")


def test_the_bucket_may_stand_in_the_endpoints_path(radosgw: S3Endpoint, settings: BucketSettings) -> None:
    by_path = S3Store(settings.model_copy(update={"endpoint_url": f"{radosgw.url}/{radosgw.bucket}"}))
    by_path.put("a", b"1")
    assert ask(by_path.url("a")) == (200, b"1")


@pytest.mark.parametrize("wrong", [{"secret_access_key": "not-the-secret-of-anyone"}, {"access_key_id": "AKIANOBODY"}])
def test_a_wrong_key_is_a_configuration_error(radosgw: S3Endpoint, wrong: dict[str, str]) -> None:
    store = S3Store(radosgw.settings(**wrong), QUICK)
    for act in (
        lambda: store.put("a", b"1"),
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: store.upload("a", io.BytesIO(bytes(PART_BYTES))),
        store.prove_conditions,
    ):
        with pytest.raises(ConfigurationError, match="BUCKET_ACCESS_KEY_ID") as caught:
            act()
        assert "not-the-secret" not in str(caught.value)


def test_a_missing_bucket_is_a_configuration_error(radosgw: S3Endpoint) -> None:
    store = S3Store(radosgw.settings(name="no-such-bucket"), QUICK)
    for act in (lambda: store.put("a", b"1"), lambda: store.get("a"), lambda: list(store.list(""))):
        with pytest.raises(ConfigurationError, match="BUCKET_NAME"):
            act()


def test_a_failed_upload_leaves_no_parts(store: S3Store, radosgw: S3Endpoint, settings: BucketSettings) -> None:
    with pytest.raises(ConnectionResetError):
        store.upload("a", PieceStream(3 * PART_BYTES, fail_at=PART_BYTES))
    assert radosgw.unfinished_uploads(settings) == 0
    assert store.head("a") is None


def test_parts_become_one_object(store: S3Store, radosgw: S3Endpoint, settings: BucketSettings) -> None:
    info = store.upload("a", io.BytesIO(b"x" * (PART_BYTES + 1)))
    head = store.head("a")
    assert head is not None
    assert (head.size, head.etag) == (info.size, info.etag)
    assert info.etag.endswith("-2")
    assert store.put_if_match("a", b"1", info.etag) is not None
    assert radosgw.unfinished_uploads(settings) == 0


def test_lost_answers_are_made_good(radosgw: S3Endpoint, settings: BucketSettings) -> None:
    with faulty_proxy(radosgw.port) as proxy:
        store = S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), QUICK)
        store.prove_conditions()
        proxy.faults.append(Fault("PUT", "lose answer"))
        created = store.put_if_absent("a", b"1")
        assert created is not None
        proxy.faults.append(Fault("PUT", "lose answer"))
        assert store.put_if_match("a", b"2", created.etag) is not None
        proxy.faults.append(Fault("POST", "lose answer", part="uploadId"))
        assert store.upload("b", io.BytesIO(bytes(PART_BYTES + 1))).size == PART_BYTES + 1
    assert proxy.faults == []
    assert radosgw.unfinished_uploads(settings) == 0
