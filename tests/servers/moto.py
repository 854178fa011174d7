"""A quick S3 server in this process: right about conditions, and blind to signatures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tests.servers.endpoint import S3Endpoint, make_bucket


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Endpoint]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield make_bucket(f"http://{host}:{port}", "test-bucket")
    server.stop()
