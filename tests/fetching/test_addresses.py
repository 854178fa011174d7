from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fetching.addresses import is_public, literal_address

INSIDE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fc00::1", "fd00:ec2::254",
    "fec0::1", "ff02::1", "100::1", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1", "64:ff9b:1::a00:1",
]  # fmt: skip

WRAPPED_INSIDE = [
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.1.2.3",
    "2002:7f00:1::1", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "2001:0:7f00:1::f7f7:f7f7", "2001:0:808:808::80ff:fffe",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "168.63.129.17", "172.32.0.1", "192.0.1.1",
    "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("text", [*INSIDE, *WRAPPED_INSIDE])
def test_addresses_that_lead_inside_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_open_internet_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_a_wrapped_address_is_never_more_public_than_itself(inner: IPv4Address) -> None:
    number = int(inner)
    mapped = IPv6Address((0xFFFF << 32) | number)
    nat64 = IPv6Address((0x64_FF9B << 96) | number)
    sixtofour = IPv6Address((0x2002 << 112) | (number << 80) | 1)
    assert {is_public(mapped), is_public(nat64), is_public(sixtofour)} == {is_public(inner)}


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5", "0x"]
)
def test_unusual_numbers_are_refused_not_guessed(host: str) -> None:
    with pytest.raises(ValueError):
        literal_address(host)


def test_literals_and_names_are_told_apart() -> None:
    assert literal_address("192.0.2.1") == IPv4Address("192.0.2.1")
    assert literal_address("::ffff:127.0.0.1") == IPv6Address("::ffff:127.0.0.1")
    assert literal_address("files.example") is None
    assert literal_address("1.2.3.4.example") is None
    assert literal_address("0xcafe.example") is None
