"""The worker's handler.py at the lowest priority: elsewhere workers have machines of their own, and take the API none
of its time."""

from __future__ import annotations

import os
import runpy

from tests.worker.worker_process import HANDLER

if __name__ == "__main__":
    os.nice(19)
    runpy.run_path(str(HANDLER), run_name="__main__")
