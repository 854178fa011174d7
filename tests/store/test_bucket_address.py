from __future__ import annotations

import pytest

from engine.store.bucket_address import address_of, checked_base, checked_folder


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://s3.example.com", "us-east-1"),
        ("https://s3.storage.example.com", "us-east-1"),
        ("http://minio:9000", "us-east-1"),
        ("https://s3.amazonaws.com", "us-east-1"),
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://S3.EU-West-1.amazonaws.com:443", "eu-west-1"),
        ("https://films.s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://s3.eu-west-1.amazonaws.com.example.com", "us-east-1"),
        ("https://acct.r2.cloudflarestorage.com", "auto"),
        ("https://films.acct.eu.r2.cloudflarestorage.com", "auto"),
        ("https://s3.us-west-004.backblazeb2.com/films", "us-west-004"),
        ("https://s3.eu-central-1.wasabisys.com", "eu-central-1"),
        ("https://s3.fr-par.scw.cloud", "fr-par"),
        ("https://s3.gra.io.cloud.ovh.net", "gra"),
    ],
)
def test_the_region_is_read_from_the_hosts_of_known_stores(endpoint: str, region: str) -> None:
    assert address_of(endpoint, "films").region == region


@pytest.mark.parametrize(
    "url", ["", "s3.example.com", "ftp://a", "https://", "https://u:p@a", "https://a?b", "https://a#b"]
)
def test_what_is_no_base_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        checked_base(url)


@pytest.mark.parametrize("path", ["..", "a//b", "a/../b", "a b", "ä", "a\n"])
def test_what_is_no_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="has to consist of"):
        checked_folder(path)
