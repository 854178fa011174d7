from __future__ import annotations

from pathlib import Path

import pytest

from tests.avatar.studio import write_clip
from tests.housekeeping.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House.local(tmp_path)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")
