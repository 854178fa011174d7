"""The app itself needs nothing that reads or draws pictures: only the engine in this process does."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import shim.__main__
print(sorted({"torch", "cv2", "av", "runpod", "skimage"} & set(sys.modules)))
"""


def test_the_app_loads_neither_torch_nor_cv2_nor_av() -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
