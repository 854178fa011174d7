"""On what a figure was measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "opencv-python-headless", "av", "pillow", "torch", "triton", "diffusers", "transformers")
NO_GPU = "not measured on a GPU"


@dataclass(frozen=True)
class Machine:
    """``memory_bytes`` is the machine's; ``cores`` those that this process may use; ``date`` is UTC."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    packages: tuple[str, ...]
    gpu: str
    date: str

    def rows(self) -> list[str]:
        """The lines that stand above every bench's figures."""
        return [
            f"machine: {self.processor}, {self.cores} cores, {self.memory_bytes / 2**30:.0f} GiB, {self.system}",
            f"GPU: {self.gpu}",
            f"software: Python {self.python}, {', '.join(self.packages)}",
            f"date: {self.date}",
        ]


def describe(now: datetime) -> Machine:
    """This machine at ``now`` (UTC)."""
    return Machine(
        processor=_processor(Path("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages=(*_versions(), *_ffmpeg()),
        gpu=_gpu(),
        date=f"{now:%Y-%m-%d %H:%M} UTC",
    )


def _processor(cpuinfo: Path) -> str:
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def _versions() -> list[str]:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _ffmpeg() -> list[str]:
    """PyAV's, where it is: a machine that only the networks are measured on may lack it."""
    try:
        import av
    except ModuleNotFoundError:
        return []
    return [f"FFmpeg {av.ffmpeg_version_info}"]


def _gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return NO_GPU
    asked = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip().replace("\n", "; ") if answer.returncode == 0 else NO_GPU
