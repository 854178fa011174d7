"""The frame loop: one thread draws the frames of every running job, in batches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from engine.cancel import Cancelled, CancelToken
from engine.drawing.model_thread import ModelThread, device_failed
from engine.drawing.schedule import Batch, Schedule
from engine.errors import EngineError
from engine.lipsync.renderer import DeviceBroken, DeviceMemoryExhausted, Drawing, Finish, LipSync, Listener, Shot
from engine.outages import DeviceMemoryFull

POLL_SECONDS = 0.05

Outcome = Finish | BaseException

log = logging.getLogger(__name__)


class DrawnFrame:
    """One shot on its way through the loop."""

    def __init__(self, shot: Shot) -> None:
        self.shot = shot
        self._outcome: Outcome
        self._settled = threading.Event()

    def wait(self, cancel: CancelToken) -> Finish:
        """Wait until the device has drawn the shot: how it is finished, in the caller's thread. Called once.

        Raises Cancelled, DeviceMemoryFull, DeviceFailed, and what the renderer raises.
        """
        while not self._settled.wait(POLL_SECONDS):
            cancel.check_waiting()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def settle(self, outcome: Outcome) -> None:
        """Called once, by the loop: whoever waits goes on."""
        self._outcome = outcome
        self._settled.set()


class JobFrames:
    """One job's frames in the loop. ``device_seconds``: its share of the device's time so far."""

    def __init__(self, queue: Callable[[JobFrames, DrawnFrame], None]) -> None:
        self.device_seconds = 0.0
        self.in_flight = 0
        self.ended: BaseException | None = None
        self._queue = queue

    def draw(self, shot: Shot) -> DrawnFrame:
        """Queue a shot, which has a box, behind the job's others; never waits."""
        frame = DrawnFrame(shot)
        self._queue(self, frame)
        return frame


_Frames = Batch[JobFrames, DrawnFrame]


@dataclass(frozen=True)
class _Flight:
    """A batch that the device is at since ``began``."""

    batch: _Frames
    drawing: Drawing
    began: float


class _Attempt:
    """A context that keeps its block's error for those whom it concerns: the loop goes on for the others."""

    error: BaseException | None = None

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.error = error
        return True


class FrameLoop:
    """Draws with ``lipsync`` on ``thread`` for every job of the worker.

    The thread takes one step at a time: it begins a batch, and only then waits for the one before, so that the device
    has its next work at hand when it is done. Other errands of the thread get their turn between two steps.
    ``now``: seconds of a clock that never runs backwards.
    """

    def __init__(self, lipsync: LipSync, thread: ModelThread, now: Callable[[], float] = time.perf_counter) -> None:
        self._lipsync = lipsync
        self._thread = thread
        self._now = now
        self._flight: _Flight | None = None
        self._free_since = now()
        self._halved = False
        # Held while the schedule changes, or what a job has in flight, or whether it has ended.
        self._changed = threading.Condition()
        self._schedule: Schedule[JobFrames, DrawnFrame] = Schedule(lipsync.batch_sizes)
        self._stepping = False

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The renderer's."""
        return self._lipsync.batch_sizes

    def listen(self, *, live: bool) -> Listener:
        """The renderer's listener for one job's sound."""
        return self._lipsync.listen(live=live)

    @property
    def worn(self) -> bool:
        """Whether the device ran out of memory for good, or failed: a fresh process should take the worker's place."""
        return self._thread.worn

    @contextmanager
    def job(self) -> Iterator[JobFrames]:
        """A job's place in the loop. Leaving it drops what is queued, and returns when none is in flight."""
        job = JobFrames(self._queue)
        try:
            yield job
        finally:
            with self._changed:
                self._end(job, Cancelled())
                self._changed.wait_for(lambda: job.in_flight == 0)

    def _queue(self, job: JobFrames, frame: DrawnFrame) -> None:
        with self._changed:
            if job.ended is not None:
                frame.settle(job.ended)
                return
            self._schedule.add(job, frame, self._now())
            self._go_on()

    def _go_on(self) -> None:
        if not self._stepping and (self._flight is not None or self._schedule.waiting):
            self._stepping = True
            self._thread.post(self._step)

    def _end(self, job: JobFrames, error: BaseException) -> None:
        """Draw nothing more for ``job``; what it has in flight is discarded when it comes."""
        job.ended = job.ended or error
        for frame in self._schedule.drop(job):
            frame.settle(job.ended)

    def _step(self) -> None:
        before, batch = self._flight, self._taken()
        self._flight = None
        begun = [] if batch is None else self._begin(batch)
        exhausted = [*self._wait(before), *begun]
        if exhausted:
            # What becomes of the jobs is decided while the device is at nothing.
            beside, self._flight = self._flight, None
            exhausted += self._wait(beside)
            # A batch that was begun beside another is no smaller than that.
            self._recover(exhausted, (batch or exhausted[0]).size)
        with self._changed:
            self._stepping = False
            self._go_on()

    def _taken(self) -> _Frames | None:
        with self._changed:
            running = 0 if self._flight is None else len(self._flight.batch.entries)
            batch = self._schedule.take(self._now(), running)
            for entry in () if batch is None else batch.entries:
                entry.job.in_flight += 1
            return batch

    def _begin(self, batch: _Frames) -> list[_Frames]:
        """Have the device begin; what is returned found no memory."""
        began = self._now()
        with _Attempt() as attempt:
            drawing = self._lipsync.begin([entry.item.shot for entry in batch.entries])
            self._flight = _Flight(batch, drawing, began)
        return self._failed(batch, attempt.error)

    def _wait(self, flight: _Flight | None) -> list[_Frames]:
        """Hand out what the device has drawn; what is returned found no memory."""
        if flight is None:
            return []
        entries, finishes = flight.batch.entries, list[Finish]()
        with _Attempt() as attempt:
            finishes = [finish for _, finish in zip(entries, flight.drawing.wait(), strict=True)]
        self._charge(flight)
        if attempt.error is None:
            self._settle(flight.batch, finishes)
        return self._failed(flight.batch, attempt.error)

    def _failed(self, batch: _Frames, error: BaseException | None) -> list[_Frames]:
        if isinstance(error, DeviceMemoryExhausted):
            return [batch]
        if isinstance(error, DeviceBroken):
            log.error("The GPU has failed: this worker should be replaced.", exc_info=error)
            self._give_up([batch], device_failed())
        elif error is not None:
            self._settle(batch, [error] * len(batch.entries))
        return []

    def _charge(self, flight: _Flight) -> None:
        """Share out the time since the device could begin this batch: since it had it, and was done with the last."""
        done = self._now()
        seconds = done - max(flight.began, self._free_since)
        self._free_since = done
        for entry in flight.batch.entries:
            entry.job.device_seconds += seconds / len(flight.batch.entries)

    def _settle(self, batch: _Frames, outcomes: Sequence[Outcome]) -> None:
        with self._changed:
            for entry, outcome in zip(batch.entries, outcomes, strict=True):
                entry.item.settle(entry.job.ended or outcome)
                entry.job.in_flight -= 1
            self._changed.notify_all()

    def _recover(self, exhausted: list[_Frames], size: int) -> None:
        """The first time draw the same shots again, fewer at once; after that let their jobs fail.

        size: the largest batch that the device was at when its memory ran out.
        """
        with _Attempt() as attempt:
            self._lipsync.relieve()
        if attempt.error is None and not self._halved:
            self._halved = True
            self._draw_again(exhausted, size)
        else:
            log.error("The GPU's memory ran out again: this worker should be replaced.", exc_info=attempt.error)
            self._give_up(exhausted, DeviceMemoryFull("The worker's GPU has no memory left for this video. Try again."))

    def _draw_again(self, exhausted: list[_Frames], size: int) -> None:
        entries = [entry for batch in exhausted for entry in batch.entries]
        with self._changed:
            self._schedule.halve(size)
            log.warning("The GPU's memory ran out: from now on it draws at most %d at once.", self._schedule.sizes[-1])
            self._schedule.put_back(entries)
            for entry in entries:
                entry.job.in_flight -= 1
                if entry.job.ended is not None:
                    self._end(entry.job, entry.job.ended)
            self._changed.notify_all()

    def _give_up(self, batches: list[_Frames], failure: EngineError) -> None:
        self._thread.worn = True
        with self._changed:
            for batch in batches:
                for entry in batch.entries:
                    self._end(entry.job, failure)
                self._settle(batch, [failure] * len(batch.entries))
