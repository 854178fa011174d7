"""What the endpoint's answers mean, and whether to ask again."""

from __future__ import annotations

import re
from typing import TypeVar

import httpx

from engine.endpoint.job_state import Unreadable
from engine.endpoint.operations import Operation
from engine.errors import ConfigurationError, EngineError
from engine.outages import Overloaded, QueueUnavailable

PAUSES_SECONDS = (0.25, 0.5, 1.0)
"""Before the second, third and fourth attempt."""

LONGEST_PAUSE_SECONDS = 5.0
"""A queue that asks for more patience than this leaves it to the caller."""

_NEVER_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_SECONDS = re.compile(r"\d{1,6}")

Result = TypeVar("Result")


class Failed(Exception):
    """An attempt failed: with which error, whether another attempt may help and do no harm, and how soon (seconds)."""

    def __init__(self, error: EngineError, may_repeat: bool, after: float = 0.0) -> None:
        super().__init__(error.message)
        self.error = error
        self.may_repeat = may_repeat
        self.after = after

    def pause(self, attempt: int, jitter: float) -> float | None:
        """Seconds until the next attempt after this one, the first of which is 0; None when there is to be none.

        ``jitter``, from 0 to 1, spreads those who failed together.
        """
        if not self.may_repeat or attempt >= len(PAUSES_SECONDS) or self.after > LONGEST_PAUSE_SECONDS:
            return None
        return max(self.after, PAUSES_SECONDS[attempt] * (0.75 + 0.5 * jitter))


def result_of(operation: Operation[Result], response: httpx.Response) -> Result:
    """Raises Failed for an answer that holds no result, and what the operation's ``missing`` raises."""
    if response.is_success:
        return _read(operation, response)
    status = response.status_code
    if status == httpx.codes.NOT_FOUND:
        return operation.missing()
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise _busy(response)
    if status == httpx.codes.REQUEST_TIMEOUT or status >= 500:
        # 503 is the answer of a queue that has not looked at the request.
        may_repeat = operation.repeatable or status == httpx.codes.SERVICE_UNAVAILABLE
        raise Failed(_unavailable(f"HTTP {status}"), may_repeat, _retry_after(response) or 0.0)
    raise Failed(_lasting_error(operation, status), may_repeat=False)


def no_answer(operation: Operation[Result], error: httpx.RequestError) -> Failed:
    """The endpoint could not be reached, or went silent. A request that has not arrived may be sent again."""
    arrived = not isinstance(error, _NEVER_ARRIVED)
    return Failed(_unavailable(type(error).__name__), operation.repeatable or not arrived)


def _read(operation: Operation[Result], response: httpx.Response) -> Result:
    try:
        answer = response.json()
        if not isinstance(answer, dict):
            raise Unreadable("it is no JSON object")
        return operation.read(answer)
    except ValueError as error:
        raise Failed(_unavailable("an answer that can't be read"), operation.repeatable) from error


def _busy(response: httpx.Response) -> Failed:
    after = _retry_after(response)
    error = Overloaded("RunPod's queue takes no more requests for the moment. Try again in a few seconds.", after)
    return Failed(error, may_repeat=True, after=after or 0.0)


def _unavailable(reason: str) -> QueueUnavailable:
    return QueueUnavailable(f"RunPod's queue does not answer as it should ({reason}). Try again in a moment.")


def _lasting_error(operation: Operation[Result], status: int) -> EngineError:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return ConfigurationError(
            "RunPod refuses the service's key. The operator has to check that RUNPOD_API_KEY is one that may use the "
            "endpoint RUNPOD_ENDPOINT_ID."
        )
    if status in (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.UNPROCESSABLE_ENTITY):
        return operation.refused()
    return ConfigurationError(
        f"Something else answers in RunPod's place (HTTP {status}). The operator has to check RUNPOD_API_BASE_URL."
    )


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds that the queue asks for; its other form, a date, is not read."""
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if _SECONDS.fullmatch(value) else None
