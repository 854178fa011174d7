"""In front of an endpoint the real server loads nothing that reads or draws pictures: only the other backend does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64

DRAWING = {"torch", "cv2", "av", "onnxruntime", "skimage"}

PROGRAM = f"""
import sys
import shim.__main__, shim.runpod_backend, engine.store.s3
print(sorted({DRAWING | {"runpod"}} & set(sys.modules)))
"""


def test_the_app_loads_neither_torch_nor_cv2_nor_av() -> None:
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


@pytest.mark.parametrize(("server", "draws"), [("endpoint", False), ("in-process", True)], indirect=["server"])
def test_only_the_server_that_makes_the_videos_itself_loads_what_makes_them(server: Server, draws: bool) -> None:
    body = {"session_id": server.ready(), "audio_base64": wav_base64(hum(0.2))}
    made = server.http.post("/api/v1/generate/text-to-video", json=body)
    assert server.http.get(made.json()["video_url"]).status_code == 200
    libraries = server.libraries()
    loaded = {name for name in DRAWING if f"site-packages/{name}/" in libraries}
    assert bool(loaded) is draws, loaded
