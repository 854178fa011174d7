"""The servers and clients that the client's tests talk with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.clients import CLIENTS, Opening
from tests.servers.faulty_proxy import FaultyProxy, faulty_proxy
from tests.shim.conftest import fresh_ground, server, tiny_avatar
from tests.shim.server_process import Server

__all__ = ["fresh_ground", "server", "tiny_avatar"]


@pytest.fixture(params=sorted(CLIENTS))
def opening(request: pytest.FixtureRequest) -> Opening:
    """Opens one of the two forms of the client."""
    return CLIENTS[request.param]


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultyProxy]:
    """In front of the server."""
    with faulty_proxy(server.port) as running:
        yield running
