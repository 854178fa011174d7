"""The avatar's key: equal work, equal key; any other work, another key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.avatar.key import PIECE_BYTES, avatar_key, canonical_hash, file_sha256, text_sha256
from engine.cancel import Cancelled, CancelToken

VIDEO = "ab" * 32


def test_the_key_is_64_hexadecimal_digits_and_the_same_every_time() -> None:
    key = avatar_key(VIDEO, {}, "preview", "1")
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")
    assert key == avatar_key(VIDEO, {}, "preview", "1")


def test_whatever_decides_the_result_decides_the_key() -> None:
    keys = {
        avatar_key(VIDEO, {}, "preview", "1"),
        avatar_key("cd" * 32, {}, "preview", "1"),
        avatar_key(VIDEO, {}, "musetalk", "1"),
        avatar_key(VIDEO, {}, "preview", "2"),
        avatar_key(VIDEO, {}, "preview1", ""),
        avatar_key(VIDEO, {"extra_margin": 10}, "preview", "1"),
        avatar_key(VIDEO, {"extra_margin": 11}, "preview", "1"),
    }
    assert len(keys) == 7


def test_the_order_of_names_does_not_matter() -> None:
    assert canonical_hash({"a": 1, "b": [1, 2]}) == canonical_hash({"b": [1, 2], "a": 1})
    assert canonical_hash({"a": [1, 2]}) != canonical_hash({"a": [2, 1]})


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1])
def test_a_file_is_hashed_whole(tmp_path: Path, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    file = tmp_path / "video"
    file.write_bytes(body)
    assert file_sha256(file, CancelToken()) == hashlib.sha256(body).hexdigest()


def test_hashing_stops_when_cancelled(tmp_path: Path) -> None:
    file = tmp_path / "video"
    file.write_bytes(b"x")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        file_sha256(file, cancel)


def test_a_text_has_the_hash_of_its_bytes_however_long_it_is() -> None:
    text = "é€a" * 700_000
    assert text_sha256(text) == hashlib.sha256(text.encode()).hexdigest()
