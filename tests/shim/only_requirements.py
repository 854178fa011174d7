"""Runs `python -m shim` as a fresh environment would: `python -P only_requirements.py FILE`.

The file has the names of all modules that aren't there, one a line.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType


class NotInstalled(MetaPathFinder):
    """Finds nothing, and keeps others from finding these."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


if __name__ == "__main__":
    sys.meta_path.insert(0, NotInstalled(frozenset(Path(sys.argv.pop(1)).read_text().split())))
    runpy.run_module("shim", run_name="__main__", alter_sys=True)
