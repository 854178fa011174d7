"""Stages that run beside each other: each is a generator, moved into a thread of its own."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _End:
    """The last thing handed over: the stage has ended, well or with ``error``."""

    error: BaseException | None


class _Stage(Generic[T]):
    def __init__(self, source: Generator[T, None, None], depth: int, name: str) -> None:
        self._source = source
        self._items: queue.Queue[T | _End] = queue.Queue(depth)
        self._unwanted = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread that nobody wants more, and wait until it has left."""
        self._unwanted.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source:
                if not self._hand_over(item):
                    break
        except BaseException as caught:  # noqa: BLE001  # raised again by whoever takes the items
            error = caught
        finally:
            self._source.close()
        self._hand_over(_End(error))

    def _hand_over(self, item: T | _End) -> bool:
        while not self._unwanted.is_set():
            try:
                self._items.put(item, timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


@contextmanager
def beside(source: Generator[T, None, None], depth: int, name: str) -> Iterator[Iterator[T]]:
    """Run ``source`` in a thread, at most ``depth`` items ahead of whoever iterates over what this yields.

    An error in the source is raised where its items are taken. Leaving the block ends the source at its
    next item, runs its clean-up, and waits for its thread: afterwards nothing of it runs any more.
    """
    stage = _Stage(source, depth, name)
    stage.start()
    try:
        yield iter(stage)
    finally:
        stage.stop()


def abreast(items: Iterable[S], work: Callable[[S], T], threads: int) -> Generator[T, None, None]:
    """What ``work`` makes of each item, in their order, made by several threads at once.

    At most two items a thread are taken ahead. An error of ``work`` is raised in its item's place. Closing the
    generator waits for the items that were taken.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="abreast") as pool:
        underway: deque[Future[T]] = deque()
        for item in items:
            underway.append(pool.submit(contextvars.copy_context().run, work, item))
            if len(underway) > 2 * threads:
                yield underway.popleft().result()
        while underway:
            yield underway.popleft().result()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size``, the last of which may be shorter."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
