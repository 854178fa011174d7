"""How large the images' layers are, by the wheels that they install and the files that they hold.

    pip download -r builder/requirements.txt -d wheels/worker
    pip download -r builder/requirements-shim.txt -d wheels/shim
    python -m builder.image_sizes wheels/worker wheels/shim

asks nothing of the network itself and prints Markdown. Registries send layers compressed, as wheels are; on the host
they are unpacked.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

SHOWN_BYTES = 20_000_000
"""Wheels that unpack to less are counted together."""

_MB = 1e6


@dataclass(frozen=True)
class Size:
    """Bytes of what is installed, as it travels and as it lies there."""

    name: str
    packed: int
    unpacked: int

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.packed / _MB:,.0f} | {self.unpacked / _MB:,.0f} |"


def size_of(wheel: Path) -> Size:
    """A wheel's. Raises zipfile.BadZipFile for what is none."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    name, version = wheel.name.split("-")[:2]
    return Size(f"{name.replace('_', '-')} {version}", wheel.stat().st_size, unpacked)


def together(name: str, sizes: Iterable[Size]) -> Size:
    listed = list(sizes)
    return Size(name, sum(size.packed for size in listed), sum(size.unpacked for size in listed))


def layer(folder: Path) -> list[Size]:
    """The folder's large wheels, the largest first, the small ones as one, and the sum of all."""
    sizes = sorted((size_of(path) for path in folder.glob("*.whl")), key=lambda size: -size.unpacked)
    large = [size for size in sizes if size.unpacked >= SHOWN_BYTES]
    small = sizes[len(large) :]
    return [*large, together(f"{len(small)} smaller ones", small), together("together", sizes)]


def table(folder: Path) -> str:
    head = [f"{folder.name}, MB", "to download", "unpacked"]
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(size.row for size in layer(folder))])


def main(arguments: Sequence[str], out: TextIO) -> int:
    """1: a folder holds no wheel."""
    parser = argparse.ArgumentParser(prog="python -m builder.image_sizes", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="what `pip download` has filled")
    folders: list[Path] = parser.parse_args(arguments).folders
    for folder in folders:
        if not any(folder.glob("*.whl")):
            sys.stderr.write(f"There is no wheel in {folder}: fill it with `pip download -d {folder} -r ...`.\n")
            return 1
        out.write(f"{table(folder)}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
