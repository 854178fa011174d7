"""What several tests of written files start from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def full_disk(tmp_path: Path) -> Path:
    """A path where every write fails as on a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    return path
