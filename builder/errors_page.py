"""Prints docs/errors.md, every error that the API tells: `python -m builder.errors_page`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from types import ModuleType
from typing import Self

import engine.errors
import engine.outages
import shim.refusals
from builder.error_remedies import remedy_of
from engine.errors import EngineError, InputError, OperatorError
from engine.outages import Outage
from shim.errors import told_status
from shim.openapi_errors import meaning_of

GROUPS = frozenset({EngineError, InputError, OperatorError, Outage})
"""Nobody raises these themselves: they say what their leaves have in common."""

INTRODUCTION = """# Errors

Every failed request answers `{"error", "detail", "retryable", "request_id"}`. `error` is one of the codes below and
stays the same between versions; `detail` says in a sentence what was wrong with this request and what to do;
`request_id` is its `X-Request-ID`, which stands in the server's log. A failed job of the queue and the `error` message
of a WebSocket have the same codes.

"A retry helps" is what `retryable` says: whether the same request, unchanged, may succeed later. With 503 nothing has
begun; where a retry helps, `Retry-After` says after how many seconds. What goes wrong after a video's work has begun is
told as 500 with its own code, and `retryable` still says whether asking again may help.

This page is generated: `python -m builder.errors_page > docs/errors.md`.
"""

HEAD = """| code | status | what it means | a retry helps | what to do |
|---|---|---|---|---|"""


@dataclass(frozen=True, order=True)
class Told:
    """What a client can tell one error from another by."""

    status: int
    code: str

    @classmethod
    def of(cls, error: type[EngineError]) -> Self:
        return cls(told_status(error), error.code)


def errors_page() -> str:
    """The page as Markdown, in order of status and code."""
    errors = defaultdict(list)
    for module in (engine.errors, engine.outages, shim.refusals):
        for error in raised_in(module):
            errors[Told.of(error)].append(error)
    return "\n".join([INTRODUCTION, HEAD, *(row(told, errors[told]) for told in sorted(errors))])


def raised_in(module: ModuleType) -> list[type[EngineError]]:
    """The module's own errors, in their order there, without the groups."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, EngineError)
        if value.__module__ == module.__name__ and value not in GROUPS
    ]


def row(told: Told, errors: list[type[EngineError]]) -> str:
    """One line of the table. Where several errors have one code, the first says what it means."""
    first = errors[0]
    retry = "yes" if first.retryable else "no"
    return f"| `{told.code}` | {told.status} | {meaning_of(first)} | {retry} | {remedy_of(first)} |"


if __name__ == "__main__":
    print(errors_page())
