"""A clip and a worker for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.avatar.studio import Worker, write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "avatar.mp4")


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker.start(tmp_path / "one", tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> Worker:
    """Another worker on the same store, on another machine."""
    return Worker.start(tmp_path / "two", tmp_path / "store")
