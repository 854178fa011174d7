"""The object store in a bucket, on a server that is quick and right about conditions."""

from __future__ import annotations

import io
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from engine.clock import Clocks
from engine.errors import ConfigurationError, InternalError
from engine.outages import StorageFull, StorageUnavailable
from engine.store.bucket import IDLE_SECONDS
from engine.store.bucket_settings import BucketSettings
from engine.store.patience import Patience
from engine.store.s3 import S3Store
from engine.store.s3_parts import PART_BYTES
from tests.servers.endpoint import SECRET_ACCESS_KEY, S3Endpoint
from tests.servers.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.servers.wire import wire
from tests.store.contract import PieceStream, StoreContract
from tests.store.racers import OpenStore


@pytest.fixture
def open_store(moto: S3Endpoint) -> OpenStore:
    return partial(S3Store, moto.settings())


class TestContract(StoreContract):
    """A bucket is an object store."""


QUICK = Patience(operation=2.0, transfer=10.0, connect=0.5, read=2.0, first_pause=0.01, longest_pause=0.05)
LARGE = PART_BYTES + 1000


@pytest.fixture
def proxy(moto: S3Endpoint) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto.port) as running:
        yield running


@pytest.fixture
def settings(moto: S3Endpoint) -> BucketSettings:
    return moto.settings()


@pytest.fixture
def direct(settings: BucketSettings) -> S3Store:
    """The store without the proxy between."""
    return S3Store(settings)


@pytest.fixture
def store(settings: BucketSettings, proxy: FaultyProxy) -> S3Store:
    proven = S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), QUICK)
    proven.prove_conditions()
    return proven


def test_no_checksum_header_leaves(store: S3Store, proxy: FaultyProxy, tmp_path: Path) -> None:
    info = store.put("a", b"1")
    store.put_if_absent("b", b"1")
    store.put_if_match("a", b"2", info.etag)
    store.upload("c", io.BytesIO(bytes(LARGE)))
    store.get("a")
    store.get_range("a", 0, 1)
    store.head("a")
    store.download("c", tmp_path / "copy")
    assert len(list(store.list(""))) == 3
    store.delete("a")
    headers = {name.lower() for seen in proxy.seen for name in seen.headers}
    assert "authorization" in headers
    assert [name for name in headers if "checksum" in name or name in ("content-md5", "x-amz-trailer")] == []


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_failing_server_is_asked_again(store: S3Store, proxy: FaultyProxy, status: int) -> None:
    proxy.faults += [Fault("PUT", "refuse", status=status), Fault("PUT", "refuse", status=status)]
    store.put("a", b"1")
    proxy.faults += [Fault("GET", "refuse", status=status), Fault("GET", "lose answer")]
    found = store.get("a")
    assert found is not None
    assert found.body == b"1"
    assert proxy.faults == []


def test_a_lost_answer_of_a_first_write_is_still_a_win(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("PUT", "lose answer"))
    created = store.put_if_absent("a", b"1")
    assert created is not None
    proxy.faults.append(Fault("PUT", "lose answer"))
    replaced = store.put_if_match("a", b"2", created.etag)
    assert replaced is not None
    head = store.head("a")
    assert head is not None
    assert head.etag == replaced.etag


def test_another_writers_win_after_a_failure_is_no_win(store: S3Store, direct: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("PUT", "refuse", then=lambda: direct.put("a", b"same")))
    assert store.put_if_absent("a", b"same") is None
    stale = direct.put("b", b"1").etag
    proxy.faults.append(Fault("PUT", "refuse", then=lambda: direct.put("b", b"same")))
    assert store.put_if_match("b", b"same", stale) is None


def test_a_copy_goes_on_where_the_connection_broke(
    store: S3Store, direct: S3Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    body = random.Random(1).randbytes(3_000_001)
    direct.put("a", body)
    proxy.faults += [Fault("GET", "cut answer"), Fault("GET", "refuse"), Fault("GET", "cut answer")]
    info = store.download("a", tmp_path / "copy")
    assert info is not None
    assert info.size == len(body)
    assert (tmp_path / "copy").read_bytes() == body
    ranges = [seen.headers.get("Range") for seen in proxy.seen if seen.method == "GET"]
    assert ranges[0] is None
    assert ranges[1] == ranges[2] == "bytes=1500000-"
    assert ranges[3] not in (None, ranges[1])


def test_a_copy_of_a_replaced_object_is_never_mixed(
    store: S3Store, direct: S3Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    direct.put("a", b"x" * 2_000_000)
    proxy.faults.append(Fault("GET", "cut answer", then=lambda: direct.put("a", b"y" * 1_000_000)))
    info = store.download("a", tmp_path / "copy")
    assert info is not None
    assert info.size == 1_000_000
    assert (tmp_path / "copy").read_bytes() == b"y" * 1_000_000


def test_a_read_that_breaks_is_made_again(store: S3Store, direct: S3Store, proxy: FaultyProxy) -> None:
    direct.put("a", bytes(range(200)) * 1000)
    proxy.faults.append(Fault("GET", "cut answer"))
    found = store.get("a")
    assert found is not None
    assert found.body == bytes(range(200)) * 1000


def gone() -> Fault:
    return Fault("POST", "refuse", part="uploadId", status=404, code="NoSuchUpload")


def test_a_completion_whose_answer_is_lost_has_happened(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults += [Fault("POST", "lose answer", part="uploadId"), gone()]
    info = store.upload("a", io.BytesIO(bytes(LARGE)))
    assert info == store.head("a")
    assert proxy.faults == []


def test_an_upload_that_the_server_lost_is_an_outage(store: S3Store, direct: S3Store, proxy: FaultyProxy) -> None:
    direct.put("a", b"older")
    proxy.faults.append(gone())
    with pytest.raises(StorageUnavailable, match="lost an upload"):
        store.upload("a", io.BytesIO(bytes(LARGE)))
    assert proxy.faults == []


def test_a_failed_upload_gives_its_parts_up(
    store: S3Store, settings: BucketSettings, proxy: FaultyProxy, moto: S3Endpoint
) -> None:
    proxy.faults += [Fault("PUT", "refuse", part="partNumber=2", status=403, code="AccessDenied")]
    with pytest.raises(ConfigurationError):
        store.upload("a", io.BytesIO(bytes(LARGE)))
    with pytest.raises(ConnectionResetError):
        store.upload("a", PieceStream(3 * PART_BYTES, fail_at=PART_BYTES))
    assert any(seen.method == "DELETE" for seen in proxy.seen)
    assert moto.unfinished_uploads(settings) == 0
    assert store.head("a") is None


def test_a_part_that_fails_is_sent_again(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults += [Fault("PUT", "refuse", part="partNumber=1"), Fault("PUT", "lose answer", part="partNumber=2")]
    info = store.upload("a", io.BytesIO(bytes(LARGE)))
    head = store.head("a")
    assert head is not None
    assert (head.size, head.etag) == (LARGE, info.etag)


@pytest.mark.parametrize("dropped", ["if-none-match", "if-match"])
def test_a_store_without_conditions_is_refused_at_start(
    settings: BucketSettings, direct: S3Store, proxy: FaultyProxy, dropped: str
) -> None:
    proxy.dropped_headers = frozenset({dropped})
    careless = S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), QUICK)
    with pytest.raises(ConfigurationError, match="AWS S3, Cloudflare R2, MinIO and Ceph do"):
        careless.prove_conditions()
    with pytest.raises(ConfigurationError, match="does not refuse"):
        careless.put_if_absent("a", b"1")
    assert list(direct.list("")) == []


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")])
def test_a_store_that_knows_no_conditions_is_refused_at_start(
    settings: BucketSettings, proxy: FaultyProxy, status: int, code: str
) -> None:
    proxy.faults.append(Fault("PUT", "refuse", status=status, code=code))
    with pytest.raises(ConfigurationError, match="AWS S3, Cloudflare R2, MinIO and Ceph"):
        S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), QUICK).prove_conditions()


def test_the_proof_leaves_nothing_and_is_made_once(store: S3Store, proxy: FaultyProxy, direct: S3Store) -> None:
    assert list(direct.list("")) == []
    before = len(proxy.seen)
    store.prove_conditions()
    assert len(proxy.seen) == before


def test_a_server_that_answers_nothing_is_not_asked_to_clean_up(settings: BucketSettings, proxy: FaultyProxy) -> None:
    proxy.faults += [Fault("PUT", "refuse") for _ in range(1000)]
    away = S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), replace(QUICK, operation=0.3))
    with pytest.raises(StorageUnavailable):
        away.prove_conditions()
    assert {seen.method for seen in proxy.seen} == {"PUT"}


def test_a_server_that_is_away_is_an_outage_in_time(settings: BucketSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    away = S3Store(settings.model_copy(update={"endpoint_url": url}), replace(QUICK, operation=0.3))
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match="can't be reached") as caught:
        away.get("a")
    # Unless it is told otherwise, it tries for 45 s.
    assert time.monotonic() - begun < 5
    assert caught.value.retryable


def test_a_server_that_never_answers_is_an_outage_in_time(settings: BucketSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patience = replace(QUICK, operation=0.5, read=0.3)
        with pytest.raises(StorageUnavailable):
            S3Store(settings.model_copy(update={"endpoint_url": url}), patience).head("a")


@pytest.mark.parametrize("clock", [0, 1], ids=["steady", "wall"])
def test_connections_that_lay_unused_are_not_used_again(radosgw: S3Endpoint, clock: int) -> None:
    """Neither clock's alone: a snapshot stops the steady one."""
    times = [10.0, 1_000.0]
    with wire(radosgw.url) as line:
        settings = radosgw.settings().model_copy(update={"endpoint_url": line.address})
        store = S3Store(settings, Patience(read=8.0), Clocks(lambda: times[0], lambda: times[1]))
        store.put("a", b"1")
        line.deafen()
        times[clock] += IDLE_SECONDS + 1
        begun = time.monotonic()
        assert [info.key for info in store.list("")] == ["a"]
        assert store.get("a") is not None
        assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "SignatureDoesNotMatch", "BUCKET_SECRET_ACCESS_KEY"),
        (403, "AccessDenied", "list, read, write and delete"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "AuthorizationHeaderMalformed", "BUCKET_REGION"),
        (404, "NoSuchBucket", "BUCKET_NAME"),
    ],
)
def test_a_refusal_says_what_to_set_right(
    store: S3Store, proxy: FaultyProxy, status: int, code: str, error: str
) -> None:
    proxy.faults.append(Fault("GET", "refuse", status=status, code=code))
    with pytest.raises(ConfigurationError, match=error) as caught:
        store.get("a")
    assert SECRET_ACCESS_KEY not in str(caught.value)
    assert proxy.faults == []


def test_a_full_bucket_is_said(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("PUT", "refuse", status=403, code="QuotaExceeded"))
    with pytest.raises(StorageFull):
        store.put("a", b"1")


def test_an_unknown_refusal_is_a_defect(store: S3Store, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault("PUT", "refuse", status=400, code="OddThing"))
    with pytest.raises(InternalError, match="OddThing"):
        store.put("a", b"1")


def test_a_missing_bucket_is_a_configuration_error(moto: S3Endpoint) -> None:
    with pytest.raises(ConfigurationError, match="BUCKET_NAME"):
        S3Store(moto.settings(name="no-such-bucket"), QUICK).prove_conditions()


def test_many_objects_are_listed_over_several_pages(store: S3Store, proxy: FaultyProxy) -> None:
    for number in range(7):
        store.put(f"n/{number}", b"")
    proxy.page_size = 3
    proxy.faults.append(Fault("GET", "refuse", part="continuation-token"))
    assert [info.key for info in store.list("n/")] == [f"n/{number}" for number in range(7)]
    assert len([seen for seen in proxy.seen if "list-type=2" in seen.path]) == 4


def test_a_page_of_a_long_list_is_one_request(store: S3Store, proxy: FaultyProxy) -> None:
    for number in range(7):
        store.put(f"n/{number}", b"")
    assert [info.key for info in store.list("n/", after="n/2", limit=3)] == ["n/3", "n/4", "n/5"]
    assert len([seen for seen in proxy.seen if "list-type=2" in seen.path]) == 1


def test_foreign_objects_and_other_prefixes_are_not_listed(
    direct: S3Store, settings: BucketSettings, moto: S3Endpoint
) -> None:
    direct.put("mine", b"1")
    moto.client().put_object(Bucket=moto.bucket, Key=f"{settings.prefix}a folder/", Body=b"")
    moto.client().put_object(Bucket=moto.bucket, Key=f"{settings.prefix[:-1]}x/b", Body=b"")
    assert [info.key for info in direct.list("")] == ["mine"]


def test_the_type_is_kept(direct: S3Store, settings: BucketSettings, moto: S3Endpoint) -> None:
    direct.put("a.mp4", b"1", "video/mp4")
    direct.upload("b.mp4", io.BytesIO(bytes(LARGE)), "video/mp4")
    for key in ("a.mp4", "b.mp4"):
        head = moto.client().head_object(Bucket=moto.bucket, Key=settings.prefix + key)
        assert head["ContentType"] == "video/mp4"


def test_a_public_address_carries_no_signature(moto: S3Endpoint) -> None:
    public = S3Store(moto.settings(prefix="films/new", public_base_url="https://cdn.example.com/x/"))
    assert public.url("a/b.mp4") == "https://cdn.example.com/x/films/new/a/b.mp4"


def test_the_buckets_name_goes_where_the_endpoint_had_it(moto: S3Endpoint) -> None:
    by_name = S3Store(moto.settings(endpoint_url="https://films.s3.example.com", name="films", prefix=""))
    by_path = S3Store(moto.settings(endpoint_url="https://s3.example.com/films", name="films", prefix=""))
    assert by_name.url("a").startswith("https://films.s3.example.com/a?")
    assert by_path.url("a").startswith("https://s3.example.com/films/a?")
