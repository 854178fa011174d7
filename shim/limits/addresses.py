"""Whose address a request comes from: behind proxies, what those say that are configured, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shim.limits.settings import Network

NOWHERE = "local"
"""Of a connection that has no address, such as a socket in a folder."""

_SUBSCRIBER_BITS = 64
"""What a subscriber of IPv6 has at least, and may take any address of (RFC 6177)."""

_SECURE = {"http": "https", "ws": "wss"}

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """Wraps the app, which sees as the client's address and scheme what the proxies in ``networks`` say of them."""

    def __init__(self, app: ASGIApp, networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._networks and scope["type"] in ("http", "websocket"):
            self._believe(scope)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        peer = _peer(scope)
        if peer is None or not self._is_trusted(peer):
            return
        headers = Headers(scope=scope)
        scope["client"] = (str(self._client(peer, headers.getlist("x-forwarded-for"))), 0)
        told = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if told in ("https", "wss"):
            scope["scheme"] = _SECURE.get(scope["scheme"], scope["scheme"])

    def _client(self, peer: Address, lines: Sequence[str]) -> Address:
        """Each proxy adds whom it was asked by at the right: who is no trusted one, or was told by none, is the client.

        A hop that is no address ends the way: the proxy that told of it stands for whoever is behind it.
        """
        client = peer
        for hop in reversed(",".join(lines).split(",")):
            address = _address_of(hop) if self._is_trusted(client) else None
            if address is None:
                break
            client = address
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def counted_address(scope: Scope) -> str:
    """What the request's address is counted as: an IPv6 client by its network, since it has all addresses there."""
    client = scope.get("client")
    return NOWHERE if client is None else _counted(client[0])


@lru_cache(maxsize=4096)
def _counted(host: str) -> str:
    peer = _address_of(host)
    if isinstance(peer, IPv6Address):
        return str(IPv6Network((int(peer), _SUBSCRIBER_BITS), strict=False))
    return NOWHERE if peer is None else str(peer)


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return None if client is None else _address_of(client[0])


def _address_of(word: str) -> Address | None:
    """Of an address as proxies write them: some add the port. None for anything else."""
    for form in (word.strip(), _without_port(word.strip())):
        try:
            address = ip_address(form)
        except ValueError:
            continue
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return mapped or address
    return None


def _without_port(word: str) -> str:
    if word.startswith("["):
        return word[1:].partition("]")[0]
    return word.partition(":")[0]
