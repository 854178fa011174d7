"""What a job may answer: checked here, because the SDK loses a result that it can't deliver."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import EngineError, InternalError, ResultTooLarge

MAX_RESULT_BYTES = 9_000_000
MAX_MESSAGE_CHARACTERS = 4_000

_SDK_KEYS = ("error", "refresh_worker")
"""Keys of a result that the SDK takes for itself."""


def checked(result: object) -> dict[str, Any]:
    """``result`` as it came, if the queue will deliver it whole.

    Raises InternalError when it is no JSON object, is empty, holds what JSON can't say (NaN, bytes, half a
    surrogate pair) or a key that means something else to the SDK; ResultTooLarge when it is as large as the
    queue may refuse.
    """
    if not isinstance(result, dict) or not result:
        raise InternalError("The job ended without a result.")
    if taken := [key for key in _SDK_KEYS if key in result]:
        raise InternalError(f"The result has a key that the queue keeps for itself: {taken[0]}.")
    size = _delivered_bytes(result)
    if size >= MAX_RESULT_BYTES:
        raise ResultTooLarge(
            f"The result takes {size} bytes and the queue delivers less than {MAX_RESULT_BYTES}: "
            "ask for less in one job, or have the service store results in a bucket."
        )
    return result


def _delivered_bytes(result: dict[str, Any]) -> int:
    """The size of the body as the SDK makes it, which keeps other letters than ASCII as they are."""
    try:
        return len(json.dumps({"output": result}, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InternalError("The result could not be written as JSON.") from error


def failure(error: EngineError, request_id: str) -> dict[str, Any]:
    """The answer of a failed job: ``error`` is JSON text, the only form that RunPod's every door passes on."""
    fields = {
        "code": error.code,
        "message": error.message[:MAX_MESSAGE_CHARACTERS],
        "retryable": error.retryable,
        "request_id": request_id,
    }
    return {"error": json.dumps(fields)}
