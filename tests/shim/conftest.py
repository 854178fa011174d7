"""Servers that the tests of the API share, one for every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.server_process import Server
from tests.worker.clips import talking_head
from tests.worker.worker_process import Ground


@pytest.fixture(scope="session")
def tiny_avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for one second, 256 x 256."""
    return talking_head(tmp_path_factory.mktemp("avatar") / "tiny.mp4")


@pytest.fixture(scope="session", params=sorted(BACKENDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path, moto: S3Endpoint
) -> Iterator[Server]:
    """A server that all tests share which leave it as they found it."""
    ground = Ground(tmp_path_factory.mktemp("shim"), tiny_avatar).make()
    with BACKENDS[request.param](ground, moto) as server:
        yield server


@pytest.fixture
def fresh_ground(tmp_path: Path, tiny_avatar: Path) -> Ground:
    """Folders of one test's own."""
    return Ground(tmp_path, tiny_avatar).make()
