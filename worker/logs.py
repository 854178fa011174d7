"""Log lines that name the job they belong to and no secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)
SHORTEST_SECRET = 6
BLANK = "***"

_LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}
"""Python's names of levels as RunPod's console knows them."""


@dataclass(frozen=True)
class _JobLog:
    job_id: str
    secrets: tuple[str, ...]


_current: ContextVar[_JobLog | None] = ContextVar("job_log", default=None)


@contextmanager
def job_log_context(job_id: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Lines logged inside carry ``job_id`` and show ``secrets`` as asterisks.

    It holds for the tasks started inside, and for threads that are run in a copy of the context.
    """
    token = _current.set(_JobLog(job_id, _worth_hiding(secrets)))
    try:
        yield
    finally:
        _current.reset(token)


def current_job() -> str | None:
    """The job that lines logged here belong to."""
    job = _current.get()
    return job.job_id if job else None


def configure(level: str, environ: Mapping[str, str]) -> None:
    """JSON lines on RunPod, which its console filters by request, and readable ones elsewhere."""
    secrets = secrets_in(environ)
    log_with(JsonLines(secrets) if environ.get("RUNPOD_ENDPOINT_ID") else ReadableLines(secrets), level)


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """What the environment holds that no line may show."""
    return [value for name, value in environ.items() if SECRET_NAME.search(name)]


def log_with(lines: logging.Formatter, level: str) -> None:
    """Log to stderr. Libraries speak from WARNING on: at INFO some of them print signed addresses."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("engine", "worker", "handler"):
        logging.getLogger(name).setLevel(level)


def _worth_hiding(secrets: Iterable[str]) -> tuple[str, ...]:
    """Longest first, so that none is left over in part; the shortest would blank out ordinary words."""
    return tuple(sorted({text for text in secrets if len(text) >= SHORTEST_SECRET}, key=len, reverse=True))


class DiscreetLines(logging.Formatter):
    """Formats a record as a whole, traceback included, without the secrets that it knows."""

    def __init__(self, template: str, secrets: Iterable[str]) -> None:
        super().__init__(template, datefmt="%H:%M:%S")
        self._secrets = _worth_hiding(secrets)

    def text(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        job = _current.get()
        for secret in (*self._secrets, *(job.secrets if job else ())):
            text = text.replace(secret, BLANK)
        return text


class JsonLines(DiscreetLines):
    """The SDK's own shape: ``{"requestId", "message", "level"}``, one a line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(message)s", secrets)

    def format(self, record: logging.LogRecord) -> str:
        job = _current.get()
        level = _LEVELS.get(record.levelname, record.levelname)
        return json.dumps({"requestId": job.job_id if job else None, "message": self.text(record), "level": level})


class ReadableLines(DiscreetLines):
    """Time, level, job and message."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(job)s%(message)s", secrets)

    def format(self, record: logging.LogRecord) -> str:
        job = _current.get()
        record.job = f"{job.job_id} | " if job else ""
        return self.text(record)
