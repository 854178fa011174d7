from __future__ import annotations

import pickle

import pytest

from engine.errors import ConfigurationError
from engine.store.bucket_address import BucketAddress
from engine.store.bucket_settings import BucketSettings, read_bucket_settings

FULL = {
    "BUCKET_ENDPOINT_URL": "https://s3.example.com",
    "BUCKET_ACCESS_KEY_ID": "AKIA",
    "BUCKET_SECRET_ACCESS_KEY": "very-secret",
    "BUCKET_NAME": "films",
}


def settings(**changes: str) -> BucketSettings:
    read = read_bucket_settings(FULL | {f"BUCKET_{name.upper()}": value for name, value in changes.items()})
    assert read is not None
    return read


@pytest.mark.parametrize("environment", [{}, {"HOME": "/"}, {"BUCKET_NAME": "", "BUCKET_ENDPOINT_URL": ""}])
def test_no_variable_is_no_bucket(environment: dict[str, str]) -> None:
    assert read_bucket_settings(environment) is None


def test_the_required_variables_are_enough() -> None:
    read = settings()
    assert (read.endpoint_url, read.access_key_id, read.name) == ("https://s3.example.com", "AKIA", "films")
    assert (read.prefix, read.public_base_url, read.presign_ttl_seconds) == ("", None, 86_400)
    assert read.secret_access_key.get_secret_value() == "very-secret"


@pytest.mark.parametrize("missing", FULL)
def test_a_partial_configuration_names_what_is_missing(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"set {missing} as well"):
        read_bucket_settings({name: value for name, value in FULL.items() if name != missing})


@pytest.mark.parametrize("name", ["BUCKET_REGION", "BUCKET_PREFIX", "BUCKET_PUBLIC_BASE_URL"])
def test_an_optional_variable_alone_is_partial(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_bucket_settings({name: "x"})
    assert all(variable in caught.value.message for variable in FULL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUCKET_ENDPOINT_URL", "s3.example.com"),
        ("BUCKET_ENDPOINT_URL", "ftp://s3.example.com"),
        ("BUCKET_ENDPOINT_URL", "https://user:very-secret@s3.example.com"),
        ("BUCKET_ENDPOINT_URL", "https://s3.example.com:port"),
        ("BUCKET_ENDPOINT_URL", "https://s3.example.com?very-secret"),
        ("BUCKET_ENDPOINT_URL", "https://[very-secret"),
        ("BUCKET_NAME", "very secret"),
        ("BUCKET_NAME", "../very-secret"),
        ("BUCKET_REGION", "very secret"),
        ("BUCKET_PREFIX", "../very-secret"),
        ("BUCKET_PUBLIC_BASE_URL", "very-secret"),
        ("BUCKET_PRESIGN_TTL_SECONDS", "very-secret"),
        ("BUCKET_PRESIGN_TTL_SECONDS", "0"),
        ("BUCKET_PRESIGN_TTL_SECONDS", "604801"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable_alone(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        read_bucket_settings(FULL | {name: value})
    assert "secret" not in caught.value.message.replace("SECRET", "")
    assert caught.value.__cause__ is None


def test_the_secret_shows_nowhere() -> None:
    assert "very-secret" not in f"{settings()!r} {settings()} {settings().model_dump()}"


def test_settings_go_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(settings())) == settings()


@pytest.mark.parametrize(("given", "prefix"), [("", ""), ("a", "a/"), ("/a/b/", "a/b/")])
def test_a_prefix_ends_in_a_slash(given: str, prefix: str) -> None:
    assert settings(prefix=given).prefix == prefix


@pytest.mark.parametrize(
    ("endpoint", "name", "address", "style"),
    [
        ("https://s3.example.com", "films", "https://s3.example.com", "path"),
        ("https://s3.example.com/", "films", "https://s3.example.com", "path"),
        ("https://films.s3.example.com", "films", "https://s3.example.com", "virtual"),
        ("http://films.localhost:9000/", "films", "http://localhost:9000", "virtual"),
        ("https://s3.example.com/films", "films", "https://s3.example.com", "path"),
        ("https://s3.example.com/storage/films/", "films", "https://s3.example.com/storage", "path"),
        ("https://filmstar.example.com", "films", "https://filmstar.example.com", "path"),
        ("https://acct.r2.cloudflarestorage.com/films", "films", "https://acct.r2.cloudflarestorage.com", "path"),
        ("https://s3.eu-west-1.amazonaws.com", "films", "https://s3.eu-west-1.amazonaws.com", "virtual"),
        ("https://films.s3.eu-west-1.amazonaws.com", "films", "https://s3.eu-west-1.amazonaws.com", "virtual"),
        ("https://s3.eu-west-1.amazonaws.com", "my.films", "https://s3.eu-west-1.amazonaws.com", "path"),
    ],
)
def test_the_endpoint_shows_how_the_bucket_is_addressed(endpoint: str, name: str, address: str, style: str) -> None:
    read = settings(endpoint_url=endpoint, name=name).address
    assert read == BucketAddress(address, "virtual" if style == "virtual" else "path")


@pytest.mark.parametrize(
    ("endpoint", "given", "region"),
    [
        ("https://s3.example.com", "", "us-east-1"),
        ("https://s3.example.com", "auto", "auto"),
        ("https://s3.eu-west-1.amazonaws.com", "", "eu-west-1"),
        ("https://films.s3.eu-west-1.amazonaws.com", "", "eu-west-1"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com", "", "eu-west-1"),
        ("https://s3.eu-west-1.amazonaws.com", "eu-central-1", "eu-central-1"),
        ("https://s3.amazonaws.com", "", "us-east-1"),
    ],
)
def test_the_region_comes_from_the_setting_or_the_endpoint(endpoint: str, given: str, region: str) -> None:
    assert settings(endpoint_url=endpoint, region=given).signing_region == region
