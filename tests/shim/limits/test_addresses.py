"""Whose word on the client's address counts."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from shim.limits.addresses import NOWHERE, TrustedProxies, counted_address

PROXIES = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")


def seen(peer: str | None, *forwarded: str, proto: str | None = None, scheme: str = "http") -> dict[str, Any]:
    """The scope as the app behind it has it."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    lines = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    lines += [] if proto is None else [(b"x-forwarded-proto", proto.encode())]
    client = None if peer is None else (peer, 4711)
    scope = {"type": "http", "headers": lines, "client": client, "scheme": scheme}
    wrapped = TrustedProxies(app, [ip_network(network) for network in PROXIES])
    asyncio.run(wrapped(scope, None, None))  # type: ignore[arg-type]
    (found,) = scopes
    return dict(found)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1", "10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ("127.0.0.1", ["198.51.100.1:5050"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::1]:5050"], "2001:db8::1"),
        ("127.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["198.51.100.1, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, , 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", [""], "127.0.0.1"),
    ],
)
def test_only_trusted_hops_are_believed(peer: str, forwarded: list[str], client: str) -> None:
    assert seen(peer, *forwarded)["client"][0] == client


def test_a_connection_without_an_address_is_no_proxy() -> None:
    assert seen(None, "198.51.100.1")["client"] is None


def test_a_trusted_hop_tells_the_scheme() -> None:
    assert seen("127.0.0.1", proto="https")["scheme"] == "https"
    assert seen("127.0.0.1", proto="https", scheme="ws")["scheme"] == "wss"
    assert seen("127.0.0.1", proto="http")["scheme"] == "http"
    assert seen("127.0.0.1", proto="gopher")["scheme"] == "http"
    assert seen("192.0.2.7", proto="https")["scheme"] == "http"


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("::1", "::/64"),
    ],
)
def test_what_an_address_is_counted_as(host: str, counted: str) -> None:
    assert counted_address({"client": (host, 1)}) == counted


def test_a_socket_in_a_folder_is_counted_too() -> None:
    assert counted_address({"client": None}) == NOWHERE
