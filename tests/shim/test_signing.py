"""The signing secret: the same for every replica, and another key for every purpose."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.errors import ConfigurationError
from engine.store.local import LocalStore
from shim.choose import open_service
from shim.settings import read_shim_settings
from shim.signing import STORED_AT, SigningSecret

BUCKET = {
    "BUCKET_ENDPOINT_URL": "http://127.0.0.1:9",
    "BUCKET_ACCESS_KEY_ID": "id",
    "BUCKET_SECRET_ACCESS_KEY": "secret",
    "BUCKET_NAME": "videos",
    "BUCKET_PUBLIC_BASE_URL": "https://videos.example",
}


def test_replicas_that_draw_a_secret_at_once_agree(tmp_path: Path) -> None:
    replicas = [SigningSecret(None, LocalStore(tmp_path)) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(lambda secret: secret.key("links"), replicas))
    assert len(set(keys)) == 1
    assert SigningSecret(None, LocalStore(tmp_path)).key("links") == keys[0]


def test_nothing_is_drawn_until_a_key_is_needed_or_where_a_secret_is_given(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    SigningSecret(None, store)
    SigningSecret(SecretStr("x" * 32), store).key("links")
    assert store.head(STORED_AT) is None


def test_every_purpose_owner_and_secret_has_a_key_of_its_own(tmp_path: Path) -> None:
    one, other = (SigningSecret(SecretStr(letter * 32), LocalStore(tmp_path)) for letter in "xy")
    keys = [one.key("links"), one.key("tokens"), one.key("webhooks", "key:a"), one.key("webhooks", "key:b")]
    assert len({*keys, other.key("links")}) == 5
    assert {len(key) for key in keys} == {32}


def test_a_damaged_secret_is_not_signed_with(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(STORED_AT, b"short")
    with pytest.raises(ConfigurationError, match="Delete it"):
        SigningSecret(None, store).key("links")


def test_a_short_secret_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_SECRET", "too-short-a-secret")
    with pytest.raises(ConfigurationError, match="SIGNING_SECRET") as refused:
        read_shim_settings()
    assert "too-short" not in refused.value.message


def test_a_bucket_that_everybody_reads_keeps_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="SIGNING_SECRET"), open_service(read_shim_settings(), BUCKET):
        pytest.fail("It has to be refused before anything is asked of the bucket.")
