"""From the threads that make a video to the event loop that sends it: a queue of limited length."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from engine.cancel import CancelToken
from shim.backends import Fragment, Progress

FRAGMENTS_AHEAD = 32
"""Fragments made and not yet sent, some 200 ms of video each."""

STALL_SECONDS = 60.0
"""A client that takes nothing for so long has left."""

_LOOK_SECONDS = 0.2


class VideoChannel:
    """Made in the event loop's thread. The video's threads wait while its reader is too far behind."""

    def __init__(self, cancel: CancelToken, stall_seconds: float = STALL_SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._cancel = cancel
        self._stall_seconds = stall_seconds
        self._room = threading.Semaphore(FRAGMENTS_AHEAD)
        self._items: asyncio.Queue[Fragment | Progress | None] = asyncio.Queue()

    def fragment(self, data: bytes) -> None:
        """Hand over a fragment. Raises Cancelled when the job is, and when nobody takes what has been made."""
        waited = 0.0
        while not self._room.acquire(timeout=_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if waited >= self._stall_seconds:
                self._cancel.cancel()
            self._cancel.check()
        self._put(Fragment(data))

    def progress(self, told: dict[str, Any]) -> None:
        """Hand over what the engine tells of its progress."""
        self._put(Progress(told["stage"], told["progress"]))

    def end(self) -> None:
        """Nothing more will come. Called in the event loop's thread."""
        self._items.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Fragment | Progress]:
        while (item := await self._items.get()) is not None:
            if isinstance(item, Fragment):
                self._room.release()
            yield item

    def _put(self, item: Fragment | Progress) -> None:
        self._loop.call_soon_threadsafe(self._items.put_nowait, item)
