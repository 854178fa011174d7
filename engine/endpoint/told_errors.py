"""Errors that workers tell the queue, as the errors that they were."""

from __future__ import annotations

from collections.abc import Iterator

from engine import errors, outages
from engine.endpoint.job_state import JobError
from engine.errors import EngineError, InternalError


def told_error(told: JobError) -> EngineError:
    """The error of that code; of a code that is not known here, such as a newer worker's, one that has it."""
    return _BY_CODE.get(told.code, _of_unknown_code(told))(told.message)


def _of_unknown_code(told: JobError) -> type[EngineError]:
    members = {"code": told.code, "retryable": told.retryable, "__doc__": "An error that only the worker knows."}
    return type("ToldError", (EngineError,), members)


def _kinds() -> Iterator[type[EngineError]]:
    """Every error of the tree, a kind of another one after it."""
    for value in (*vars(errors).values(), *vars(outages).values()):
        if isinstance(value, type) and issubclass(value, EngineError):
            yield value


_BY_CODE = {kind.code: kind for kind in _kinds()} | {InternalError.code: InternalError}
"""Where several have a code, the narrowest; what a narrower InternalError is about stays in the worker."""
