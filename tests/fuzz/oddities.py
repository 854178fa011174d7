"""What no caller should send, as hypothesis strategies: texts, addresses, numbers and whole JSON values."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

TEXTS = (
    "", " ", "\n\t ", "\0", "a\0b", "\ud800", "\udc00\ud800", "\u202eback\u202c", "\u2066\u2069", "\ufeff", "\u200b",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301" * 50, "..", ".", "/", "../../etc/passwd", "..\\boot.ini",
    "/etc/passwd", "~/.ssh/id_rsa", "sessions/other", "%2e%2e%2f", "%00", "a" * 65, "x" * 5_000, "NaN", "null", "-0",
    "<speak><break time='9s'/></speak>", "${jndi:ldap://name.invalid}", "'; DROP TABLE sessions; --", "...", "\x07",
)  # fmt: skip

HOSTS = (
    "127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "169.254.169.254",
    "192.168.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0.0.0.0", "[::]", "metadata.internal", "[", "",
    "name.invalid", "xn--a.invalid", "b\u00fccher.invalid", "\uff11\uff12\uff17.0.0.1", "a..invalid", "-.invalid",
    "\ud800.invalid", "a b.invalid", "user:secret@name.invalid", "name.invalid#@127.0.0.1", "1.1.1.1",
    "[64:ff9b::7f00:1]", "10.0.0.1",
)  # fmt: skip
"""None of them is anybody's; where a case would connect to one all the same, the door notices."""

SCHEMES = ("https://", "http://", "HTTPS://", "file://", "s3://", "ftp://", "gopher://", "data:", "https:/", "//", "")
PORTS = ("", ":", ":0", ":22", ":443", ":65536", ":-1", ":99999999999", ":8o8o", ":\u0661")
PATHS = (
    "",
    "/",
    "/a.mp4",
    "/a\r\nHost: b",
    "/\0",
    "/\ud800",
    "/../..",
    "?" + "q" * 8_200,
    "/latest/meta-data",
    "/\u202e4pm.a",
)

NUMBERS = (
    0, -1, 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -(10**4_000), 0.1, -0.0, 5e-324, 1e308, -1e308,
    float("nan"), float("inf"), float("-inf"), True, False,
)  # fmt: skip

DEPTHS = (3, 60, 200, 300, 600, 900)


@cache
def texts() -> SearchStrategy[str]:
    return st.sampled_from(TEXTS) | st.text(max_size=30) | addresses()


@cache
def addresses() -> SearchStrategy[str]:
    parts = (SCHEMES, HOSTS, PORTS, PATHS)
    return st.tuples(*(st.sampled_from(part) for part in parts)).map("".join)


@cache
def numbers() -> SearchStrategy[Any]:
    return st.sampled_from(NUMBERS) | st.integers() | st.floats()


@cache
def nested() -> SearchStrategy[Any]:
    """Lists or objects in one another, up to where Python's own reader of JSON gives up."""
    return st.builds(_nested, st.sampled_from(DEPTHS), st.booleans())


@cache
def anything() -> SearchStrategy[Any]:
    """Any JSON value, most of them odd."""
    leaves = st.none() | numbers() | texts()
    inner = st.recursive(
        leaves,
        lambda within: st.lists(within, max_size=3) | st.dictionaries(st.text(max_size=6), within, max_size=3),
        max_leaves=6,
    )
    # Flat ones more often: what is nested is refused for its type alone in most places.
    return st.one_of(leaves, leaves, inner, nested())


def _nested(depth: int, as_object: bool) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"a": value} if as_object else [value]
    return value
