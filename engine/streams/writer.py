"""A video into the store while it is made: a sink for its fragments, and the thread that stores them."""

from __future__ import annotations

import concurrent.futures
import contextvars
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from engine.cancel import CancelToken
from engine.errors import EngineError
from engine.store.protocol import ObjectStore
from engine.streams.layout import RunKeys
from engine.streams.run import StreamRun

PIECES_AHEAD = 50
"""Fragments made and not yet stored: 10 s of video, a few megabytes. With more the encoder waits."""

_LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


class _Backlog:
    """Pieces that wait to be stored, taken all at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pieces: list[bytes] = []
        self._closed = False

    def offer(self, piece: bytes) -> bool:
        """Whether there was room for it, or soon came to be."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._pieces) < PIECES_AHEAD, _LOOK_SECONDS):
                return False
            self._pieces.append(piece)
            self._changed.notify_all()
            return True

    def take(self) -> list[bytes]:
        """What waits, when something does; nothing when nothing will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._closed)
            pieces, self._pieces = self._pieces, []
            self._changed.notify_all()
            return pieces

    def close(self, *, discard: bool = False) -> None:
        with self._changed:
            self._closed = True
            if discard:
                self._pieces = []
            self._changed.notify_all()


class StreamWriter:
    """Stores one run's stream. ``write`` is a FragmentSink.

    All that waits becomes one part: where frames are made faster than the store takes them, or the store is slow, the
    parts grow, and the encoder is held back only when PIECES_AHEAD wait. A store that fails ends the video with its
    error, at the next fragment: a stream with a hole would be worse than none.
    """

    def __init__(self, run: StreamRun, cancel: CancelToken) -> None:
        self._run = run
        self._cancel = cancel
        self._backlog = _Backlog()
        self._wanted = True
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._work = self._thread.submit(contextvars.copy_context().run, self._store_all)

    @property
    def addresses(self) -> dict[str, str]:
        """``stream_url`` and ``hls_url``, which the job's progress carries."""
        return self._run.addresses

    @property
    def requests(self) -> int:
        """How often the store has been written to."""
        return self._run.requests

    def write(self, piece: bytes) -> None:
        """Hand over the next piece. Raises what storing an earlier one has raised, and Cancelled."""
        self._check()
        while not self._backlog.offer(piece):
            self._check()

    def finish(self) -> None:
        """Wait until all is stored and said to be complete. Raises what the store raises, and Cancelled."""
        self._backlog.close()
        while not concurrent.futures.wait([self._work], _LOOK_SECONDS).done:
            self._cancel.check()
        self._work.result()

    def abandon(self) -> None:
        """Remove what is stored, and say that nothing more will come. Afterwards nothing runs any more."""
        self.close()
        try:
            self._run.failed()
        except EngineError as error:
            # The job's own error is the one to tell; what is left goes when it expires.
            log.warning("What a failed job had streamed could not be removed: %s", error.message)

    def close(self) -> None:
        """End the thread, if it is at work, with what it is at: the rest is not stored, nor the stream called done."""
        self._wanted = False
        self._backlog.close(discard=True)
        self._thread.shutdown()

    def _check(self) -> None:
        if self._work.done():
            self._work.result()
        self._cancel.check()

    def _store_all(self) -> None:
        while pieces := self._backlog.take():
            self._run.append(pieces)
        if self._wanted:
            self._run.done()


@contextmanager
def streaming(store: ObjectStore, stream_id: str, run_id: str, cancel: CancelToken) -> Iterator[StreamWriter]:
    """A stream that is begun in the store, and can be followed, when the block is entered.

    Whoever makes the video calls ``finish`` when its last fragment is handed over; leaving the block by an error, then
    too, removes the stream. Raises what the store raises.
    """
    run = StreamRun(store, RunKeys(stream_id, run_id))
    writer = StreamWriter(run, cancel)
    try:
        run.begin()
        yield writer
    except BaseException:
        writer.abandon()
        raise
    writer.close()
