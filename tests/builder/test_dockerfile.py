"""The Dockerfile can't be built in the tests; what it names has to exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_everything_it_copies_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
    sources = [name for line in copied for name in line.split()[:-1]]
    assert sources
    assert [name for name in sources if not list(ROOT.glob(name))] == []


def test_everything_it_copies_passes_the_ignore_file() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
    assert {name.split("/")[0] for line in copied for name in line.split()[:-1]} <= allowed


def test_every_module_it_runs_exists() -> None:
    modules = set(re.findall(r"python -m ([a-z_]+\.[a-z_.]+)", DOCKERFILE))
    assert modules == {"builder.fetch_models", "builder.default_avatar"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


def test_python_is_the_first_process() -> None:
    last = DOCKERFILE.strip().splitlines()[-1]
    assert last.startswith("CMD ")
    assert json.loads(last.removeprefix("CMD "))[0] == "python"


def test_weights_come_before_code() -> None:
    worker = DOCKERFILE[DOCKERFILE.index("AS worker") :]
    assert worker.index("/loaded /weights") < worker.index("COPY engine engine")
