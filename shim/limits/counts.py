"""Counts requests in moving windows: in this process, or in a Redis that several servers share."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ANSWER_SECONDS = 0.5
"""How long a request waits for Redis: to be counted is worth no more."""

CONNECTIONS = 32

AWAY_SECONDS = 5.0
"""Redis is left alone for so long once it did not answer, and requests go on uncounted."""

SECONDS_BETWEEN_WARNINGS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Count:
    """Whether a request was let through, how many more are, and in how many seconds, rounded up, it is one more."""

    accepted: bool
    remaining: int
    reset: int


class Counts:
    """``clock`` gives seconds for what is waited; windows go by the time of day, which servers share."""

    def __init__(self, redis_url: SecretStr | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = None if redis_url is None else _pool(redis_url)
        self._windows = MovingWindowRateLimiter(MemoryStorage() if self._pool is None else _storage(self._pool))
        self._clock = clock
        self._away_until = -math.inf
        self._quiet_until = -math.inf

    async def hit(self, rate: RateLimitItem, *names: str) -> Count | None:
        """Count a request under its names, unless it is refused. None: it can't be counted for the moment."""
        if self._clock() < self._away_until:
            return None
        try:
            accepted = await self._windows.hit(rate, *names)
            window = await self._windows.get_window_stats(rate, *names)
        except StorageError as error:
            self._note_away(error)
            return None
        return Count(accepted, max(0, window.remaining), max(1, math.ceil(window.reset_time - time.time())))

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    def _note_away(self, error: StorageError) -> None:
        now = self._clock()
        self._away_until = now + AWAY_SECONDS
        if now >= self._quiet_until:
            self._quiet_until = now + SECONDS_BETWEEN_WARNINGS
            log.warning("Redis does not answer, and requests go on uncounted: %s.", type(error.storage_error).__name__)


def _pool(redis_url: SecretStr) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        redis_url.get_secret_value(),
        max_connections=CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        # Once more, at once: a connection that was left idle may have been closed meanwhile.
        retry=Retry(NoBackoff(), 1),
    )


def _storage(pool: BlockingConnectionPool) -> RedisStorage:
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage("async+redis://", wrap_exceptions=True, implementation="redispy", **options)
