"""The Dockerfile can't be built in the tests; what it names has to exist, and its images to hold what they promise."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine.settings import Settings
from shim.settings import ShimSettings
from tests.builder.dockerfile import ROOT, read

FILE = read()
TEXT = (ROOT / "Dockerfile").read_text()
IMAGES = ("worker", "shim", "balanced")
MODULES = re.compile(r"python -m ([a-z_]+\.[a-z_.]+)")


def own_sources() -> set[str]:
    """What is copied from the repository."""
    copies = [copy for stage in FILE.stages.values() for copy in stage.copies if copy.stage is None]
    return {source for copy in copies for source in copy.sources}


def test_everything_it_copies_exists_and_passes_the_ignore_file() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"handler.py", "engine", "shim", "worker", "builder"} <= own_sources()
    assert [name for name in own_sources() if not list(ROOT.glob(name))] == []
    assert {name.split("/")[0] for name in own_sources()} <= allowed


def test_every_stage_that_is_copied_from_stands_before() -> None:
    names = list(FILE.stages)
    for index, stage in enumerate(FILE.stages.values()):
        wanted = {copy.stage for copy in stage.copies if copy.stage}
        wanted |= {stage.base} - {"${PYTHON_IMAGE}"}
        assert wanted <= set(names[:index]), stage.name


def test_every_module_it_runs_exists() -> None:
    modules = set(MODULES.findall(TEXT))
    assert modules == {"builder.fetch_models", "builder.default_avatar"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


@pytest.mark.parametrize("image", IMAGES)
def test_python_is_the_first_process(image: str) -> None:
    """An exec-form CMD, and no entry point before it: signals reach Python, and nothing outlives it."""
    assert json.loads(FILE.command(image))[0] == "python"
    assert not [stage.name for stage in FILE.chain(image) if stage.of("ENTRYPOINT")]


def test_what_is_built_without_a_target_is_the_worker() -> None:
    assert list(FILE.stages)[-1] == "worker"
    assert json.loads(FILE.command("worker")) == ["python", "-u", "handler.py"]


def test_the_base_is_a_slim_python_by_tag_and_can_be_pinned_by_digest() -> None:
    (default,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", TEXT, re.M)
    assert re.fullmatch(r"python:3\.1[123]-slim-[a-z]+", default)
    outside = {stage.base for stage in FILE.stages.values()} - FILE.stages.keys()
    assert outside == {"${PYTHON_IMAGE}"}
    assert "@sha256:" in TEXT


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_what_it_is_based_on(image: str) -> None:
    labels = [label for stage in FILE.chain(image) for label in stage.of("LABEL")]
    assert labels == ["org.opencontainers.image.base.name=${PYTHON_IMAGE}"]


@pytest.mark.parametrize("image", IMAGES)
def test_variables_are_settings(image: str) -> None:
    settings = Settings if image == "worker" else ShimSettings
    foreign = {"PATH", "PYTHONUNBUFFERED", "HF_HUB_OFFLINE", "RUNPOD_DEBUG_LEVEL"}
    foreign |= {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}
    assert {name.lower() for name in FILE.variables(image).keys() - foreign} <= settings.model_fields.keys()


def test_the_worker_asks_no_hub_and_has_its_avatar_and_weights() -> None:
    variables = FILE.variables("worker")
    assert variables["HF_HUB_OFFLINE"] == "1"
    targets = {copy.target for copy in FILE.copies("worker") if copy.stage}
    assert variables["WEIGHTS_DIR"] in targets
    assert str(Path(variables["DEFAULT_AVATAR"]).parent) in targets


def test_weights_can_be_left_to_a_volume() -> None:
    for name in ("weights", "packed"):
        stage = FILE.stages[name]
        assert stage.of("ARG") == ["WEIGHTS=official"]
        fetching = [run for run in stage.of("RUN") if "builder.fetch_models" in run]
        assert fetching
        assert all('[ "$WEIGHTS" = official ]' in run for run in fetching)


@pytest.mark.parametrize("name", ["weights", "packed"])
def test_no_other_code_s_change_fetches_the_weights_anew(name: str, tmp_path: Path) -> None:
    """The stage holds what fetches and packs them, and nothing besides."""
    copies = [copy for copy in FILE.stages[name].copies if copy.target.startswith("/build/")]
    assert not {"builder", "engine"} & {source for copy in copies for source in copy.sources}
    for copy in copies:
        for path in (path for source in copy.sources for path in ROOT.glob(source)):
            put_into(tmp_path / copy.target.removeprefix("/build/"), path)
    program = "import builder.fetch_models, builder.weights_manifest as known; known.MANIFEST.read_text()"
    more = "; import engine.nets.packing, engine.nets.networks" if name == "packed" else ""
    assert subprocess.run([sys.executable, "-c", program + more], cwd=tmp_path, check=False).returncode == 0


def put_into(folder: Path, source: Path) -> None:
    """As COPY does: a file into the folder, and of a folder what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir() if source.is_dir() else (source,):
        if path.suffix in (".py", ".json"):
            (folder / path.name).write_bytes(path.read_bytes())


def test_weights_come_before_code() -> None:
    targets = [copy.target for copy in FILE.copies("worker")]
    assert targets.index("/weights") < targets.index("engine")


def test_the_server_takes_nothing_that_draws() -> None:
    copies = FILE.copies("shim")
    assert {copy.stage for copy in copies} == {None, "shim-dependencies"}
    assert {source for copy in copies if copy.stage is None for source in copy.sources} == {
        "LICENSE",
        "worker",
        "engine",
        "shim",
    }
    assert FILE.stages["shim-dependencies"].of("RUN")[-1].endswith("/requirements-shim.txt")
    assert [stage.of("USER") for stage in FILE.chain("shim")] == [["nobody"]]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_all_that_its_command_imports(image: str, tmp_path: Path) -> None:
    """Only what is copied into the image is there, and nothing of the working tree."""
    for copy in FILE.copies(image):
        for source in copy.sources if copy.stage is None else ():
            if not source.startswith("builder/"):
                (tmp_path / source).symlink_to(ROOT / source)
    module = json.loads(FILE.command(image))[-1].removesuffix(".py")
    program = f"import {module if module == 'handler' else f'{module}.__main__, shim.runpod_backend'}"
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_shell_steps_are_sound() -> None:
    """``sh -n`` reads every RUN without running it."""
    runs = [run for stage in FILE.stages.values() for run in stage.of("RUN")]
    assert len(runs) >= 10
    for run in runs:
        words = shlex.split(run)
        plain = run if not words[0].startswith("--") else run.split(" ", 1)[1]
        assert subprocess.run(["sh", "-n", "-c", plain], check=False).returncode == 0, run
