from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store.keys import MAX_KEY_BYTES, MAX_SEGMENT_BYTES, check_key, check_prefix, check_range

BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a/..",
    "a\\b",
    "a b",
    "a\n",
    "a\0b",
    "ä",
    "a+b",
    "a%2e",
    "x" * (MAX_SEGMENT_BYTES + 1),
    "/".join(["xxxxxxxxx"] * (MAX_KEY_BYTES // 10 + 1)),
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        check_key(key)


@pytest.mark.parametrize("key", ["a", "a/b", "..a/b..", "...", "A-1_2.mp4", "x" * MAX_SEGMENT_BYTES])
def test_a_key_of_the_form_is_taken(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/..", "a/b/."])
def test_a_prefix_may_end_anywhere_in_a_key(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "../", "a/../b", "a//", "a b", "a\n", "./a"])
def test_a_prefix_that_no_key_begins_with_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="not the beginning"):
        check_prefix(prefix)


@given(st.text(alphabet="ab./_-+ \n", max_size=12))
def test_every_beginning_of_a_key_is_a_prefix(key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    for end in range(len(key) + 1):
        check_prefix(key[:end])


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1)])
def test_a_range_has_no_negative_number(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        check_range(start, length)
