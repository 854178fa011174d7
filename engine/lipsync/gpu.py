"""Whether this machine has a GPU for the networks, found out without loading torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DEVICES = Path("/dev")
PATTERNS = ("nvidia[0-9]*", "dxg")
"""An NVIDIA GPU's device under Linux, and under Windows' Linux."""
HIDDEN = ("", "-1")
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU."""


def has_gpu(devices: Path = DEVICES, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the folder ``devices`` has an NVIDIA GPU that the environment doesn't hide."""
    if environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in HIDDEN:
        return False
    return any(True for pattern in PATTERNS for _ in devices.glob(pattern))
