"""The server's log: every line names the request that it belongs to, its caller and its job."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from worker.logs import DiscreetLines, current_job, log_with, secrets_in

LogFormat = Literal["auto", "text", "json"]


class LogSettings(BaseSettings):
    """How the server's log looks."""

    log_format: LogFormat = Field(
        "auto",
        description="How the REST server logs: `text`, or `json` with one object a line. `auto`: `text` on a terminal, "
        "`json` elsewhere.",
    )


@dataclass
class RequestLog:
    """The request that lines belong to. ``caller``: what its caller is called, once that is known."""

    request_id: str
    caller: str | None = None


_current: ContextVar[RequestLog | None] = ContextVar("request_log", default=None)


@contextmanager
def request_log_context(request: RequestLog) -> Iterator[RequestLog]:
    """Lines logged inside name the request; so do those of tasks started there, and of threads with their context."""
    token = _current.set(request)
    try:
        yield request
    finally:
        _current.reset(token)


def note_caller(name: str) -> None:
    """Lines of this request name its caller from now on."""
    request = _current.get()
    if request is not None:
        request.caller = name


def configure(log_format: LogFormat, level: str, environ: Mapping[str, str], *, on_terminal: bool) -> None:
    """Log to stderr in the format that the settings ask for."""
    is_json = log_format == "json" or (log_format == "auto" and not on_terminal)
    secrets = secrets_in(environ)
    log_with(RequestJsonLines(secrets) if is_json else RequestTextLines(secrets), level)
    logging.getLogger("shim").setLevel(level)


class RequestJsonLines(DiscreetLines):
    """One object a line: time, level, logger, message; request_id, caller and job_id where there are such; and what a
    line has of its own, such as an access line's status."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(message)s", secrets)

    def format(self, record: logging.LogRecord) -> str:
        request = _current.get()
        names = {
            "request_id": request and request.request_id,
            "caller": request and request.caller,
            "job_id": current_job(),
        }
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.text(record),
            **{name: value for name, value in names.items() if value is not None},
        }
        return json.dumps({**line, **getattr(record, "fields", {})})


class RequestTextLines(DiscreetLines):
    """Time, level, request, job and message."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(names)s%(message)s", secrets)

    def format(self, record: logging.LogRecord) -> str:
        request = _current.get()
        names = (request.request_id if request else None, current_job())
        record.names = "".join(f"{name} | " for name in names if name is not None)
        return self.text(record)
