from __future__ import annotations

import socket

import pytest

from engine.errors import EngineError, UrlNotAllowed, UrlUnreachable
from engine.fetching.addresses import IPAddress
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.outages import UrlUnavailable
from tests.fetching.test_download import Names

ADDRESSES = Names(
    files_example=["93.184.215.14 2606:2800:21f:cb07::1"],
    loopback_example=["127.0.0.1"],
    metadata_example=["169.254.169.254"],
    mapped_example=["::ffff:10.0.0.1"],
    empty_example=[""],
)
FETCHER = GuardedFetcher(FetchPolicy(frozenset({"minio:9000", "bucket.internal"})), resolver=ADDRESSES)


@pytest.mark.parametrize("url", [
    "https://files.example/a/b.mp4", "https://FILES.example:8443/?x=y", "https://8.8.8.8/", "https://[2606:4700::1]/",
    "https://files.example:1/",
])  # fmt: skip
def test_public_hosts_pass_on_any_port(url: str) -> None:
    FETCHER.check(url)


@pytest.mark.parametrize("url", [
    "", "files.example", "/etc/passwd", "//files.example/", "https://", "https:///x", "file:///etc/passwd",
    "ftp://files.example/", "s3://bucket/key", "data:text/plain,x", "http://files.example/", "https://files.example:0/",
    "https://files.example:99999/", "https://user@files.example/", "https://user:hunter2@files.example/",
    "https://files.example\\@loopback.example/", "https://a..b/", "https://.example/", "https://exa mple/",
    "https://%31%32%37.0.0.1/", "https://files.example/\n", "https://①②⑦.0.0.1/", "https://[v1.x]/",
    "http://127.1/", "https://127.1/", "http://0x7f000001/", "https://0x7f000001/", "https://0x7F.0.0.1/",
    "https://2130706433/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://127。0。0。1/", "https://0/",
    "https://127.0.0.1/", "https://[::1]/", "http://[::ffff:127.0.0.1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[fe80::1%25eth0]/", "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/", "https://100.64.0.1/", "https://loopback.example/", "https://metadata.example/",
    "https://mapped.example/", "https://minio/", "http://minio:9001/", "https://files.example/" + "a" * 9000,
])  # fmt: skip
def test_everything_else_is_refused(url: str) -> None:
    fetcher = GuardedFetcher(FetchPolicy(frozenset({"minio:9000"})), resolver=Names(
        minio=["10.0.0.5"], loopback_example=["127.0.0.1"], metadata_example=["169.254.169.254"],
        mapped_example=["::ffff:10.0.0.1"], files_example=["93.184.215.14"],
    ))  # fmt: skip
    with pytest.raises(UrlNotAllowed) as caught:
        fetcher.check(url)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("url", [
    "http://minio:9000/bucket/key", "https://minio:9000/bucket/key", "http://bucket.internal/", "http://BUCKET.internal:1/",
])  # fmt: skip
def test_listed_hosts_may_be_private_and_plain(url: str) -> None:
    names = Names(minio=["10.0.0.5"], bucket_internal=["192.168.0.9"])
    GuardedFetcher(FetchPolicy(frozenset({"minio:9000", "bucket.internal"})), resolver=names).check(url)


@pytest.mark.parametrize("name", ["nowhere.example", "empty.example", "a" * 64 + ".example"])
def test_a_name_without_an_address_is_unreachable(name: str) -> None:
    with pytest.raises(UrlUnreachable, match=r"\.example"):
        FETCHER.check(f"https://{name}/?signature=hidden")


def test_the_systems_resolver_knows_no_invalid_name() -> None:
    with pytest.raises((UrlUnreachable, UrlUnavailable)):
        GuardedFetcher(FetchPolicy()).check("https://" + "a" * 64 + ".invalid/")
    with pytest.raises(UrlNotAllowed):
        GuardedFetcher(FetchPolicy()).check("https://localhost/")


@pytest.mark.parametrize(("code", "kind"), [
    (socket.EAI_AGAIN, UrlUnavailable), (socket.EAI_NONAME, UrlUnreachable), (socket.EAI_FAIL, UrlUnreachable),
])  # fmt: skip
def test_a_name_servers_trouble_is_told_from_a_missing_name(code: int, kind: type[EngineError]) -> None:
    def resolver(host: str, port: int) -> tuple[IPAddress, ...]:
        raise socket.gaierror(code, "trouble")

    with pytest.raises(kind):
        GuardedFetcher(FetchPolicy(), resolver=resolver).check("https://files.example/")
