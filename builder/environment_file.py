"""The variables that a worker is deployed with, from a file of `NAME=value` lines."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, SecretStr

from builder.deploy_errors import DeployError
from engine.store.bucket_settings import BucketSettings
from shim.settings import ShimSettings

HIDDEN = "***"

_LINE = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
_SECRET_REFERENCE = re.compile(r"\{\{ RUNPOD_SECRET_\w+ \}\}")
_PLATFORMS_OWN = frozenset({"PORT_HEALTH", "HEALTH_CHECK_PATH", "RUNPOD_INIT_TIMEOUT"})
_ALSO_SECRET = frozenset({"BUCKET_ACCESS_KEY_ID", "API_KEYS", "BUDGETS"})


def read_environment(path: Path) -> dict[str, str]:
    """The file's variables. Lines that are empty or begin with `#` are skipped, quotes around a value are taken off.

    Raises DeployError for a file that isn't there, a line of another form, and a variable that nothing here reads.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise DeployError(f"There is no readable file {path}. Name one with --env-file.") from None
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _parted(line.strip(), f"{path}:{number}")
            variables[name] = value
    return variables


def shown(variables: Mapping[str, str]) -> dict[str, str]:
    """The same, fit to be printed: secrets are hidden, references to RunPod's secrets are not."""
    return {name: HIDDEN if is_secret(name, value) else value for name, value in variables.items()}


def is_secret(name: str, value: str) -> bool:
    return name in SECRETS and bool(value) and not _SECRET_REFERENCE.fullmatch(value)


def _parted(line: str, place: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise DeployError(f"{place} is no `NAME=value`. Names are in capitals; comments begin with #.")
    name, value = found["name"], found["value"].strip()
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, 1)
        hint = f"Did you mean {near[0]}?" if near else "The README's table has them all."
        raise DeployError(f"{place}: no setting is called {name}. {hint}")
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return name, value[1:-1] if is_quoted else value


def _variables(model: type[BaseModel], prefix: str = "") -> dict[str, bool]:
    """Whether each variable of the model holds a secret."""
    fields = model.model_fields.items()
    return {f"{prefix}{name}".upper(): SecretStr in _kinds(field.annotation) for name, field in fields}


def _kinds(annotation: object) -> tuple[object, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


_ALL = _variables(ShimSettings) | _variables(BucketSettings, "bucket_")
KNOWN = frozenset(_ALL) | _PLATFORMS_OWN
SECRETS = frozenset(name for name, secret in _ALL.items() if secret) | _ALSO_SECRET
