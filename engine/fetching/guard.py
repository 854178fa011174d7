"""The rules that every URL the service fetches is held to, before and while it connects."""

from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx

from engine.errors import UrlNotAllowed, UrlUnreachable
from engine.fetching.addresses import IPAddress, is_public, literal_address
from engine.fetching.patience import Patience
from engine.outages import UrlUnavailable

Resolver = Callable[[str, int], Sequence[IPAddress]]
"""The addresses of a host and port, best first. OSError (socket.gaierror) where there are none."""

MAX_URL_CHARACTERS = 8192
RESOLVE_SECONDS = 10.0

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched: https from public addresses, on any port, and what the operator lists.

    ``allowed_private_hosts`` holds ``host`` (every port) or ``host:port`` as written in a URL
    (``minio:9000``, ``[::1]:9000``); for these plain http and private addresses are fine.
    """

    allowed_private_hosts: frozenset[str] = field(default_factory=frozenset)

    def allows_private(self, host: str, port: int) -> bool:
        written = f"[{host}]" if ":" in host else host
        return not self.allowed_private_hosts.isdisjoint({host, written, f"{written}:{port}"})


@dataclass(frozen=True)
class Guard:
    """Judges URLs by their text and hosts by the addresses they have at that moment."""

    policy: FetchPolicy
    resolver: Resolver

    def admit(self, url: str) -> httpx.URL:
        """Parse a URL; UrlNotAllowed when its text alone says that it must not be fetched."""
        if len(url) > MAX_URL_CHARACTERS:
            raise UrlNotAllowed(f"The URL is longer than {MAX_URL_CHARACTERS} characters.")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise UrlNotAllowed(
                "The URL can't be read: give one that starts with https:// and a host's name."
            ) from error
        self.inspect(parsed)
        return parsed

    def admit_redirect(self, origin: httpx.URL, location: str) -> httpx.URL:
        """The URL that ``origin`` redirects to, held to the same rules; https never becomes http."""
        try:
            target = origin.join(location)
        except httpx.InvalidURL as error:
            raise UrlUnreachable(f"{host_of(origin)} redirects to a URL that can't be read.") from error
        if origin.scheme == "https" and target.scheme == "http":
            raise UrlNotAllowed(f"{host_of(origin)} redirects from https to http, which is not followed.")
        return self.admit(str(target))

    def inspect(self, url: httpx.URL) -> None:
        """UrlNotAllowed unless scheme, host, port and address literals are in order. Asks no name server."""
        if url.scheme not in _PORTS:
            raise UrlNotAllowed("Only https:// URLs are fetched.")
        if url.userinfo:
            raise UrlNotAllowed("A URL with a user name or password in it is not fetched: use a signed URL instead.")
        host, port = host_of(url), port_of(url)
        if not 1 <= port <= 65535:
            raise UrlNotAllowed("The URL's port is out of range.")
        literal = _literal(host)
        if self.policy.allows_private(host, port):
            return
        if url.scheme != "https":
            raise UrlNotAllowed(f"{host} is asked for over plain http: only https:// URLs are fetched.")
        if literal is not None:
            _require_public(host, (literal,))

    def addresses(self, host: str, port: int, patience: Patience, timeout: float | None) -> tuple[IPAddress, ...]:
        """Every address of a host, best first, all of them public unless the operator lists the host.

        The caller must connect to these and not ask again: a second answer may differ.
        """
        literal = _literal(host)
        found = (literal,) if literal is not None else self._resolve(host, port, patience, timeout)
        if not self.policy.allows_private(host, port):
            _require_public(host, found)
        return found

    def _resolve(self, host: str, port: int, patience: Patience, timeout: float | None) -> tuple[IPAddress, ...]:
        """Ask in a thread of its own, since the system's resolver takes neither a timeout nor a cancel."""
        answers: queue.SimpleQueue[Sequence[IPAddress] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self.resolver(host, port))
            except OSError as error:
                answers.put(error)
            except UnicodeError:
                answers.put(socket.gaierror(socket.EAI_NONAME, "not a host's name"))

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        for seconds in patience.slices(timeout):
            try:
                return _answered(host, answers.get(timeout=seconds))
            except queue.Empty:
                continue
        raise UrlUnavailable(f"The name {host} could not be looked up in time. Try again later.")


def system_resolver(host: str, port: int) -> tuple[IPAddress, ...]:
    """Ask the system, which may look into /etc/hosts, a search domain or the name server."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(ip_address(answer[4][0]) for answer in answers)


def host_of(url: httpx.URL) -> str:
    """The host as it is looked up: lower case, IDNA, without brackets."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else _PORTS[url.scheme]


def _literal(host: str) -> IPAddress | None:
    try:
        literal = literal_address(host)
    except ValueError as error:
        raise UrlNotAllowed("The URL's host is a number in an unusual form: give the host's name.") from error
    if literal is None and not _NAME.fullmatch(host):
        raise UrlNotAllowed("The URL has no host, or one that is not a valid name.")
    return literal


def _require_public(host: str, addresses: Sequence[IPAddress]) -> None:
    """All of them, since a name that mixes public and private addresses is a trap."""
    if not all(is_public(address) for address in addresses):
        raise UrlNotAllowed(f"{host} is not on the public internet: only public hosts are fetched from.")


def _answered(host: str, answer: Sequence[IPAddress] | OSError) -> tuple[IPAddress, ...]:
    if isinstance(answer, OSError):
        if answer.errno == socket.EAI_AGAIN:
            raise UrlUnavailable(f"The name {host} can't be looked up at the moment. Try again later.") from answer
        raise UrlUnreachable(f"No host has the name {host}. Check the URL.") from answer
    if not answer:
        raise UrlUnreachable(f"The name {host} has no address. Check the URL.")
    return tuple(answer)
