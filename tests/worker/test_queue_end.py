"""The stand-in's own end: whatever reaches it at the last moment, no connection of it is left open."""

from __future__ import annotations

import gc
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.worker.queue_standin import QueueStandIn


def test_what_connects_at_the_last_moment_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    left_open: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", left_open.append)
    for _ in range(10):
        with QueueStandIn() as queue:
            address = urlsplit(queue.address)
            clients = [socket.create_connection((address.hostname, address.port)) for _ in range(5)]
        for client in clients:
            client.close()
        del queue
        gc.collect()
    assert not left_open
