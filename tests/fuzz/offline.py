"""No network for whoever tries addresses: a name has no host, and a connection is noted and refused."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

_reached: list[str] | None = None
_hooked = False


@contextmanager
def offline() -> Iterator[list[str]]:
    """Within the block nothing is looked up but this machine's own name, and nothing is connected to.

    Hands out the private addresses that somebody wanted to connect to, as they come.
    """
    global _reached
    _hook_once()
    _reached = []
    try:
        yield _reached
    finally:
        _reached = None


def _hook_once() -> None:
    """An audit hook stays until the process ends; between two blocks it does nothing."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_watch)
        _hooked = True


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _reached is None:
        return
    if event == "socket.getaddrinfo" and str(arguments[0]).lower().strip(".") != "localhost":
        raise socket.gaierror(socket.EAI_NONAME, "there is no network here")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        if not ip_address(arguments[1][0]).is_global:
            _reached.append(str(arguments[1]))
        raise OSError(errno.ENETUNREACH, "there is no network here")
