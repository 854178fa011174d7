"""The Dockerfile, read as far as the tests need it: its stages, and what each of them does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """``word`` in capitals, and what stands behind it, its continued lines joined."""

    word: str
    rest: str


@dataclass(frozen=True)
class Copy:
    """``stage``: where from, where it isn't the build's folder."""

    stage: str | None
    sources: tuple[str, ...]
    target: str


@dataclass
class Stage:
    """From one FROM to the next."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[str]:
        return [instruction.rest for instruction in self.instructions if instruction.word == word]

    @property
    def copies(self) -> list[Copy]:
        return [_copy(rest) for rest in self.of("COPY")]

    @property
    def variables(self) -> dict[str, str]:
        return {name: value for rest in self.of("ENV") for name, _, value in map(_parted, shlex.split(rest))}


@dataclass(frozen=True)
class Dockerfile:
    stages: dict[str, Stage]

    def chain(self, name: str) -> list[Stage]:
        """The stage and those that it is built on, the first one first."""
        stage = self.stages[name]
        return [*(self.chain(stage.base) if stage.base in self.stages else []), stage]

    def copies(self, name: str) -> list[Copy]:
        return [copy for stage in self.chain(name) for copy in stage.copies]

    def variables(self, name: str) -> dict[str, str]:
        return {key: value for stage in self.chain(name) for key, value in stage.variables.items()}

    def command(self, name: str) -> str:
        """The last CMD, as it stands there."""
        return [rest for stage in self.chain(name) for rest in stage.of("CMD")][-1]


def read() -> Dockerfile:
    stages: dict[str, Stage] = {}
    for instruction in _instructions((ROOT / "Dockerfile").read_text()):
        if instruction.word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", instruction.rest).groups()  # type: ignore[union-attr]
            stages[name] = stage = Stage(name, base)
        elif stages:
            stage.instructions.append(instruction)
    return Dockerfile(stages)


def _instructions(text: str) -> Iterator[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Instruction(word, " ".join(rest.split()))


def _copy(rest: str) -> Copy:
    words = rest.split()
    stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
    return Copy(stage, tuple(words[:-1]), words[-1])


def _parted(word: str) -> tuple[str, str, str]:
    return word.partition("=")
