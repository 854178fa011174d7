"""Compiling the painter apart from the worker that paints, which goes on meanwhile.

    python -m engine.nets.compiling FILE      a plan comes as one line of JSON; FILE is given the artifacts

Tracing holds Python's lock, and changes how modules are called in the whole process, for minutes. So another process
does it, with weights of zeros: what it leaves in torch's caches depends on their shapes alone. A process that loads
these artifacts traces once more, for some seconds a batch size, and finds everything else made.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from engine.nets.face_batches import Inputs, Paint
from engine.nets.face_painter import FacePainter
from engine.nets.networks import on_meta
from engine.nets.unet import UNet, UNetConfig
from engine.nets.vae import VaeConfig, VaeDecoder

SOURCES = Path(__file__).parent
NICENESS = 10
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


class CompilationFailed(Exception):
    """Says what the process that compiled said last."""


@dataclass(frozen=True)
class CompilePlan:
    """What is compiled: a painter of this layout, device and type, for batches of these sizes.

    face: (8, 32, 32). sound: (50, C).
    """

    device: str
    dtype: str
    unet: UNetConfig
    vae: VaeConfig
    sizes: tuple[int, ...]
    face: tuple[int, int, int]
    sound: tuple[int, int]

    @classmethod
    def read(cls, line: str) -> CompilePlan:
        """From what ``line`` gave."""
        fields = _tuples(json.loads(line))
        configs = {"unet": UNetConfig(**_tuples(fields["unet"])), "vae": VaeConfig(**_tuples(fields["vae"]))}
        return cls(**fields | configs)

    def line(self) -> str:
        """The plan as one line of JSON."""
        return json.dumps(asdict(self))

    def key(self) -> str:
        """64 hexadecimal digits that differ where artifacts would: by the plan, the machine, torch and our sources."""
        digest = hashlib.sha256(f"{self.line()} {_machine(self.device)} {torch.__version__}".encode())
        for source in sorted(SOURCES.glob("*.py")):
            digest.update(f"\n{source.name}\n".encode() + source.read_bytes())
        return digest.hexdigest()


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists alone."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def compiled(painter: FacePainter) -> Paint:
    """The painter, compiled for every size of a batch when it first paints one."""
    paint: Paint = torch.compile(painter, fullgraph=True, dynamic=False)
    return paint


def compile_apart(plan: CompilePlan) -> bytes:
    """The artifacts of ``plan``, made by another process, which ends when this one does. Raises CompilationFailed."""
    with tempfile.TemporaryDirectory(prefix="compiling-") as folder:
        artifacts = Path(folder) / "artifacts"
        command = [sys.executable, "-m", "engine.nets.compiling", str(artifacts)]
        environment = os.environ | {CACHE_VARIABLE: f"{folder}/cache", "PYTHONPATH": str(SOURCES.parents[1])}
        with (Path(folder) / "said").open("w+b") as said:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
            )
            assert process.stdin is not None
            with process.stdin as plans:
                plans.write(f"{plan.line()}\n".encode())
                plans.flush()
                failed = process.wait() != 0
            if failed:
                said.seek(0)
                raise CompilationFailed(said.read().decode(errors="replace").strip()[-2000:])
        return artifacts.read_bytes()


def load_artifacts(artifacts: bytes) -> bool:
    """Fill torch's caches; False where these are no artifacts of this torch."""
    return torch.compiler.load_cache_artifacts(artifacts) is not None


def _machine(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()} {torch.cuda.get_device_capability()} {torch.version.cuda}"
    # The compiler's loops are cut for so many threads.
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"


def _compile(plan: CompilePlan) -> bytes:
    device, dtype = torch.device(plan.device), getattr(torch, plan.dtype)
    painter = _blank_painter(plan, device, dtype)
    paint = compiled(painter)
    inputs = Inputs.blank(plan.sizes[-1], plan.face, plan.sound, painter.positions)
    with torch.inference_mode():
        for size in reversed(plan.sizes):
            paint(*inputs.first(size))
    made = torch.compiler.save_cache_artifacts()
    if made is None:
        raise CompilationFailed("Nothing was compiled.")
    return made[0]


def _blank_painter(plan: CompilePlan, device: torch.device, dtype: torch.dtype) -> FacePainter:
    unet = on_meta(lambda: UNet(plan.unet)).to(dtype).to_empty(device=device)
    decoder = on_meta(lambda: VaeDecoder(plan.vae)).to(dtype).to_empty(device=device)
    painter = FacePainter(unet, decoder, torch.zeros(plan.sound, device=device, dtype=dtype))
    for weight in painter.parameters():
        weight.zero_()
    if device.type == "cuda":
        painter.put_channels_last()
    return painter


def _end_with_the_worker() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    os.nice(NICENESS)
    plan = CompilePlan.read(sys.stdin.readline())
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    Path(sys.argv[1]).write_bytes(_compile(plan))


if __name__ == "__main__":
    main()
