"""Compiled networks: made when the worker is idle, kept in the store, had from there by the next worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.seeded_weights import pack_seeded, write_seeded
from engine.lipsync.musetalk_models import DWPOSE
from engine.nets.compiling import CompilationFailed, CompilePlan, compile_apart
from engine.nets.unet import UNetConfig
from engine.nets.vae import VaeConfig
from tests.lipsync.test_choose import pose_model
from tests.lipsync.tuned_musetalk import SMALLEST

REMEMBERING = """#!/bin/sh
case "$1" in *.main.cpp) ;; *) exec g++ "$@" ;; esac
kept="$(dirname "$0")/$(basename "$1").so" made="${1%.cpp}.so"
if [ -f "$kept" ]; then exec cp "$kept" "$made"; fi
g++ "$@" && cp "$made" "$kept.$$" && mv "$kept.$$" "$kept"
"""
"""A compiler that does a kernel, whose file is named by its content, once for all processes: it takes the most time.

On a CPU the artifacts hold the kernels' source alone.
"""


@dataclass(frozen=True)
class Start:
    """What a worker's process said: before and after it had done all that it wanted to do when idle."""

    found: int
    kept: int
    apart: tuple[int, int]
    hits: int
    log: str


def start(folder: Path, name: str, **variables: str) -> Start:
    """Start a worker whose disk, but for ``folder``, is new."""
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(folder / name), **variables}
    command = [sys.executable, "-m", "tests.lipsync.tuned_musetalk", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return Start(said["found"], said["kept"], tuple(said["apart"]), said["hits"], done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_seeded(tmp_path, SMALLEST, seed=1)
    pack_seeded(tmp_path, SMALLEST, "float32")
    pose_model(tmp_path / DWPOSE)
    return tmp_path


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_where_nothing_can_be_compiled_the_networks_are_used_as_they_are(folder: Path) -> None:
    made = start(folder, "new", CXX="/bin/false")
    assert (made.found, made.kept, made.apart) == (0, 0, (0, 0))
    assert "The networks can't be compiled, and are used as they are" in made.log


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_what_one_worker_compiles_the_next_one_finds(folder: Path) -> None:
    compiler = folder / "remembering"
    compiler.write_text(REMEMBERING)
    compiler.chmod(0o755)
    first = start(folder, "first", CXX=str(compiler))
    assert (first.found, first.kept, first.apart[0]) == (0, 1, 0)
    assert first.apart[1] <= 1
    assert first.log.index("compiling the networks in another process") < first.log.index("in the store")
    assert first.log.count("are painted by compiled networks from now on") == 2
    second = start(folder, "second", CXX=str(compiler))
    assert (second.found, second.kept, second.hits) == (1, 1, 2)
    assert max(second.apart) <= 1
    assert "Compiled networks come from the store" in second.log
    assert "another process" not in second.log


PLAN = CompilePlan("cpu", "float32", UNetConfig(), VaeConfig(), (1, 2), face=(8, 32, 32), sound=(50, 384))


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, dtype="float16"),
        replace(PLAN, sizes=(1, 4)),
        replace(PLAN, unet=UNetConfig(heads=4)),
        replace(PLAN, vae=VaeConfig(groups=16)),
    ],
    ids=["type", "sizes", "unet", "autoencoder"],
)
def test_other_artifacts_have_another_key(other: CompilePlan) -> None:
    assert other.key() != PLAN.key()


def test_a_plan_travels_as_a_line() -> None:
    assert CompilePlan.read(PLAN.line()) == PLAN
    assert "\n" not in PLAN.line()


def test_the_compiling_process_says_why_it_failed() -> None:
    with pytest.raises(CompilationFailed, match="no_such_type"):
        compile_apart(replace(PLAN, dtype="no_such_type"))
