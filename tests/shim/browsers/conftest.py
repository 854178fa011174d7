"""One guarded server for all tests of the folder that leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.browsers.world import World, world_of
from tests.worker.worker_process import Ground


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path) -> Iterator[World]:
    ground = Ground(tmp_path_factory.mktemp("world"), tiny_avatar).make()
    with world_of(ground, tiny_avatar.read_bytes()) as world:
        yield world
