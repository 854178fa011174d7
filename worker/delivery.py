"""How a job's result reaches the queue: tried for minutes, and told as an error where the queue refuses it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from engine.errors import ResultRefused
from worker.polling import Pauses
from worker.result import failure

RESULT_SECONDS = 300.0
"""How long one result is tried: the queue hands a job out again whose worker no longer names it."""

ATTEMPT_SECONDS = 60.0
"""A connection that died while the machine slept takes what is sent, and never answers."""

PROGRESS = '{"status":'
"""How the SDK's bodies begin that tell of progress: the next one comes soon, and the result must not wait for it."""

AGAIN = frozenset({408, 425, 429})
REFUSED = frozenset({400, 413, 422})

logger = logging.getLogger(__name__)

Post = Callable[[Any, str, str, dict[str, str]], Awaitable[int]]
"""Posts a body once with these headers; the answer's status. Raises aiohttp's ClientError and TimeoutError."""


async def post(session: Any, url: str, body: str, headers: dict[str, str]) -> int:
    """As the SDK posts it."""
    async with asyncio.timeout(ATTEMPT_SECONDS), session.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return int(answer.status)


@dataclass(frozen=True)
class Delivery:
    """``transmit`` takes the place of the SDK's own function of that purpose."""

    post: Post = post
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic

    async def transmit(self, session: Any, url: str, body: str) -> None:
        """Raises ClientError when the body could not be brought there."""
        # The SDK writes each job's id into the headers of the one session that all jobs share: here it is still ours.
        job_id = session.headers["X-Request-ID"]
        headers = {"Content-Type": "application/x-www-form-urlencoded", "charset": "utf-8", "X-Request-ID": job_id}
        if body.startswith(PROGRESS):
            status = await self.post(session, url, body, headers)
        else:
            status = await self._persist(session, url, body, headers)
        if status in REFUSED and (told := _in_its_place(body, job_id, status)) is not None:
            logger.error("The queue refused the result with %d: its caller is told an error.", status)
            status = await self._persist(session, url, told, headers)
        if status >= 400:
            raise aiohttp.ClientError(f"the queue answered {status}")

    async def _persist(self, session: Any, url: str, body: str, headers: dict[str, str]) -> int:
        """The status of the first answer that another try would not change, or of the last try's."""
        end, pauses = self.now() + RESULT_SECONDS, Pauses(0.5, 10.0)
        while True:
            pause = pauses.after_failure()
            is_last = self.now() + pause > end
            try:
                status = await self.post(session, url, body, headers)
            except (aiohttp.ClientError, TimeoutError) as error:
                if is_last:
                    raise aiohttp.ClientError(f"no answer: {type(error).__name__}") from error
            else:
                if is_last or (status < 500 and status not in AGAIN):
                    return status
            await self.sleep(pause)


def _in_its_place(body: str, job_id: str, status: int) -> str | None:
    """The body of a failed job in place of the refused one; None where that was no result with an output."""
    refused = json.loads(body)
    if body.startswith(PROGRESS) or "output" not in refused:
        return None
    error = ResultRefused(f"RunPod's queue refused the job's result with HTTP {status}.")
    kept = {key: value for key, value in refused.items() if key != "output"}
    return json.dumps({**kept, **failure(error, job_id)})
