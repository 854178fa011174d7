"""API keys: minted by a command, kept as hashes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shim.auth.keys import ApiKey, find_key, hash_of, mint, parse_keys
from tests.worker.worker_process import REPOSITORY


def mint_by_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shim.keys", *arguments], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )


def test_the_command_prints_a_key_and_the_line_that_lets_it_in() -> None:
    lines = [line.strip() for line in mint_by_command("alice").stdout.splitlines() if line.startswith("    ")]
    key, configured = lines
    assert find_key(parse_keys(configured), key) == ApiKey("alice", hash_of(key))
    assert key not in configured


def test_every_key_is_a_new_one_of_256_bits() -> None:
    keys = {mint() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("ta_") and len(key) == 3 + 43 for key in keys)


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a:b",), ("a,b",), ("",), ("x" * 65,)])
def test_the_command_makes_no_key_for_what_is_no_name(arguments: tuple[str, ...]) -> None:
    refused = mint_by_command(*arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "Usage: python -m shim.keys NAME" in refused.stderr


def test_keys_are_listed_between_commas_or_on_lines() -> None:
    one, two, three = (hash_of(str(number)) for number in range(3))
    listed = f"# the old ones\n a:{one} , b:{two.upper()},\n\n#c:{one}\nb:{three}\n"
    assert parse_keys(listed) == (ApiKey("a", one), ApiKey("b", two), ApiKey("b", three))
    assert parse_keys("") == ()


@pytest.mark.parametrize("listed", ["a", "a:", ":" + "0" * 64, "a:" + "0" * 63, "a:" + "g" * 64, "a b:" + "0" * 64])
def test_what_is_no_key_is_refused_without_being_shown(listed: str) -> None:
    with pytest.raises(ValueError, match="each key is `name:hash`") as caught:
        parse_keys(listed)
    assert "0" * 63 not in str(caught.value)


def test_two_keys_of_one_name_are_both_let_in_and_others_are_not() -> None:
    keys = (ApiKey("a", hash_of("old")), ApiKey("a", hash_of("new")))
    assert find_key(keys, "old") == keys[0]
    assert find_key(keys, "new") == keys[1]
    for other in ("", "ol", "old ", keys[0].sha256, "ä"):
        assert find_key(keys, other) is None
