"""What a worker loads at its start: torch only if it draws with networks, and others' heavy libraries never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.network_sizes import QUICK
from bench.seeded_weights import pack_seeded, write_seeded
from engine.nets.weight_files import PACKED_FOLDER

TELL = """
heavy = {"torch", "torch._dynamo", "sympy", "diffusers", "transformers", "accelerate", "huggingface_hub", "tokenizers"}
heavy |= {"c2pa"}
print(sorted(heavy & set(sys.modules)))
"""

PREVIEW = f"""
import sys
from pathlib import Path
import handler
from tests.engine_ground import EngineGround
EngineGround(Path(sys.argv[1])).open(renderer="preview").engine.warm()
{TELL}
"""

NETWORKS = f"""
import sys
from pathlib import Path
import handler
import torch
from bench.network_sizes import QUICK
from engine.drawing.model_thread import ModelThread
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.nets.networks import Networks
networks = Networks.load(Path(sys.argv[1]), QUICK, torch.device("cpu"), torch.float32)
MuseTalkLipSync(networks, ModelThread()).warm()
{TELL}
"""

OTHERS = f"""
import sys
import c2pa
import diffusers
import transformers
{TELL}
"""


def loaded(program: str, folder: Path) -> str:
    """Which heavy libraries a process holds after the program."""
    command = [sys.executable, "-c", program, str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()[-1]


def test_the_preview_loads_none(tmp_path: Path) -> None:
    assert loaded(PREVIEW, tmp_path) == "[]"


def test_the_networks_load_torch_alone(tmp_path: Path) -> None:
    write_seeded(tmp_path, QUICK, seed=0)
    pack_seeded(tmp_path, QUICK)
    assert loaded(NETWORKS, tmp_path / PACKED_FOLDER) == "['torch']"


def test_the_libraries_would_be_seen(tmp_path: Path) -> None:
    seen = loaded(OTHERS, tmp_path)
    assert "'c2pa'" in seen
    assert "'diffusers'" in seen
    assert "'transformers'" in seen
