"""Which internet addresses are public, and which spellings of a host are addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPAddress = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

# Addresses that Python's is_global calls public, in this version or another, and that lead inside.
_INSIDE_4 = (
    IPv4Network("168.63.129.16/32"),  # the metadata and agent endpoint of Azure's hosts
    IPv4Network("192.0.0.0/24"),  # protocol assignments, among them Oracle's metadata endpoint
    IPv4Network("192.88.99.0/24"),  # the withdrawn 6to4 relays
)
_INSIDE_6 = (
    IPv6Network("2001::/23"),  # protocol assignments
    IPv6Network("3fff::/20"),  # documentation
)

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_public(address: IPAddress) -> bool:
    """Whether an address is reached over the open internet and nowhere else.

    An address that wraps others (IPv4-mapped, 6to4, Teredo, NAT64) is as public as the least public of them,
    since the way there leads through them.
    """
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    if address.scope_id is not None:
        return False
    wrapped = wrapped_addresses(address)
    if wrapped:
        return all(_is_public_4(inner) for inner in wrapped)
    return address in _GLOBAL_UNICAST and address.is_global and not any(address in network for network in _INSIDE_6)


def wrapped_addresses(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address of a transition scheme carries; none for all others."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()


def literal_address(host: str) -> IPAddress | None:
    """The address that a URL's host spells out (without brackets), or None for a name.

    ValueError for spellings such as ``127.1``, ``0x7f000001``, ``2130706433`` and ``0177.0.0.1``, which some
    resolvers read as addresses and others as names.
    """
    if ":" in host or _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return ip_address(host)
    return None


def _is_public_4(address: IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or any(address in network for network in _INSIDE_4)
    return address.is_global and not special
