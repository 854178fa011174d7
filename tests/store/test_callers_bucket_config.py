from __future__ import annotations

import json

import pytest

from engine.errors import S3ConfigInvalid
from engine.store.callers_bucket import CallersBucket
from engine.store.callers_bucket_config import CallersBucketConfig

FULL = {
    "accessId": "hidden-id",
    "accessSecret": "hidden-secret",
    "bucketName": "films",
    "endpointUrl": "https://s3.example.com",
}


def parse(**changes: object) -> CallersBucketConfig:
    return CallersBucket.parse({**FULL, **changes})


def test_the_four_fields_are_enough() -> None:
    config = parse()
    assert config.access_id.get_secret_value() == "hidden-id"
    assert config.access_secret.get_secret_value() == "hidden-secret"
    assert (config.bucket_name, config.endpoint_url, config.object_path) == ("films", "https://s3.example.com", "")


def test_fields_of_the_queues_own_are_left_to_it() -> None:
    assert parse(later="something") == parse()


@pytest.mark.parametrize(("given", "prefix"), [(None, ""), ("", ""), ("/", ""), ("a", "a/"), ("/a/b/", "a/b/")])
def test_the_object_path_is_a_folder(given: object, prefix: str) -> None:
    assert parse(objectPath=given).object_path == prefix


@pytest.mark.parametrize("missing", FULL)
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(S3ConfigInvalid, match=f"{missing}: Field required") as caught:
        CallersBucket.parse({name: value for name, value in FULL.items() if name != missing})
    assert all(name not in caught.value.message for name in FULL if name != missing)


@pytest.mark.parametrize("config", [None, "hidden", ["hidden"], 5, True])
def test_what_is_no_object_is_refused(config: object) -> None:
    with pytest.raises(S3ConfigInvalid, match="has to be an object with accessId") as caught:
        CallersBucket.parse(config)
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in FULL for value in (None, 5, "", ["hidden"], {"hidden": 1}, b"hidden\xff")),
        ("accessId", "hid\nden"),
        ("accessId", "h" * 1025),
        ("accessSecret", "\ud800hidden"),
        ("bucketName", "hidden bucket"),
        ("bucketName", "../hidden"),
        ("bucketName", "hidden/bucket"),
        ("bucketName", "hidden\n"),
        ("endpointUrl", "hidden.example.com"),
        ("endpointUrl", "file:///hidden"),
        ("endpointUrl", "https://hidden:hidden@s3.example.com"),
        ("endpointUrl", "https://s3.example.com?hidden"),
        ("endpointUrl", "https://s3.example.com/../hidden"),
        ("endpointUrl", "https://s3.example.com/hid%2Fden"),
        ("endpointUrl", "https://s3.example.com/hid\nden"),
        ("endpointUrl", "https://[hidden"),
        ("endpointUrl", "https://[::hidden]"),
        ("endpointUrl", "https://1.2.3.999/hidden"),
        ("endpointUrl", "https://s3.example.com:hidden"),
        ("endpointUrl", f"https://s3.example.com/{'h' * 1024}"),
        ("objectPath", "../hidden"),
        ("objectPath", "hidden//path"),
        ("objectPath", "hidden path"),
        ("objectPath", "h" * 201),
        ("objectPath", 5),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_field_alone(name: str, value: object) -> None:
    with pytest.raises(S3ConfigInvalid, match=f"{name}: ") as caught:
        parse(**{name: value})
    assert "hidden" not in caught.value.message
    assert "hh" not in caught.value.message
    assert caught.value.__cause__ is None
    assert (caught.value.code, caught.value.http_status, caught.value.retryable) == ("s3_config_invalid", 400, False)


def test_the_key_shows_nowhere() -> None:
    config = parse()
    assert "hidden" not in f"{config!r} {config} {config.model_dump()} {json.dumps(config.model_dump(mode='json'))}"


@pytest.mark.parametrize(
    ("endpoint", "name", "url"),
    [
        ("https://s3.example.com", "films", "https://s3.example.com/films/a/b.mp4"),
        ("https://s3.example.com/", "films", "https://s3.example.com/films/a/b.mp4"),
        ("https://s3.example.com/films", "films", "https://s3.example.com/films/a/b.mp4"),
        ("https://s3.example.com/storage", "films", "https://s3.example.com/storage/films/a/b.mp4"),
        ("https://films.s3.example.com", "films", "https://films.s3.example.com/a/b.mp4"),
        ("https://S3.Example.com:443", "films", "https://s3.example.com/films/a/b.mp4"),
        ("http://minio:80", "films", "http://minio/films/a/b.mp4"),
        ("http://[::1]:9000", "films", "http://[::1]:9000/films/a/b.mp4"),
        ("https://acct.r2.cloudflarestorage.com", "films", "https://acct.r2.cloudflarestorage.com/films/a/b.mp4"),
        ("https://s3.eu-west-1.amazonaws.com", "films", "https://films.s3.eu-west-1.amazonaws.com/a/b.mp4"),
        ("https://s3.eu-west-1.amazonaws.com", "my.films", "https://s3.eu-west-1.amazonaws.com/my.films/a/b.mp4"),
    ],
)
def test_where_an_object_goes(endpoint: str, name: str, url: str) -> None:
    config = parse(endpointUrl=endpoint, bucketName=name, objectPath="a")
    assert config.object_url("b.mp4") == url
    assert config.folder_url == url.removesuffix("b.mp4")


@pytest.mark.parametrize("key", ["", "../b", "/b", "a b", "b" * 901])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        parse(objectPath="a").object_url(key)
