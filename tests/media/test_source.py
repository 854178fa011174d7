"""A caller's file as libav reads it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from engine.media.source import SourceFile


def test_a_seek_that_can_not_be_made_is_told_by_a_number_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with SourceFile(os.open(path, os.O_RDONLY)) as source:
        assert source.seek(4) == 4
        assert source.seek(-1) == -errno.EINVAL
        assert source.seek(-100, os.SEEK_CUR) == -errno.EINVAL
        assert source.read(2) == b"45"
