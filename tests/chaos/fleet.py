"""The workers of a run: each that ends, however it ends, is followed by another one on the same machine."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import REPOSITORY, Ground, Worker

PROGRAM = Path(__file__).with_name("slow_disk.py")
PAUSE = 0.5
"""Seconds from a worker's end until the next one begins."""

DRAIN_SECONDS = 60.0


@dataclass
class Slot:
    """A machine and the worker that is on it. next_at: when the next one begins, once this one has ended.

    killed: it did not end by itself. asked: it was told to go.
    """

    ground: Ground
    worker: Worker
    number: int = 0
    asked: bool = False
    killed: bool = False
    next_at: float | None = None


@dataclass
class Fleet:
    """A context: leaving it kills what still runs.

    settings: of every worker. ended: how workers have ended by themselves, by their exit codes. wrong: what no worker
    may do, in words. dead: workers that were killed, or seemed to be: also those that were told to go before, for the
    store may have been away when they noted that.
    """

    queue: QueueStandIn
    folder: Path
    default_avatar: Path
    settings: Mapping[str, str]
    size: int
    slots: list[Slot] = field(default_factory=list)
    all_workers: list[Worker] = field(default_factory=list)
    ended: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        for index in range(self.size):
            ground = Ground(self.folder / f"machine{index}", self.default_avatar).make()
            slot = Slot(ground, self._worker(ground, index, 0))
            self.slots.append(slot)
            slot.worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for slot in self.slots:
            slot.worker.kill()

    def tend(self) -> None:
        """Notice who has ended, and begin whose time has come. To be called again and again."""
        for index, slot in enumerate(self.slots):
            if slot.next_at is None and not slot.worker.is_running:
                self._note_end(slot)
            if slot.next_at is not None and time.monotonic() >= slot.next_at:
                self._begin_next(slot, index)

    def kill(self, index: int) -> None:
        slot = self.slots[index]
        slot.killed = True
        self.dead.add(slot.worker.pod)
        slot.worker.kill()

    def vanish(self, index: int) -> None:
        """Freeze the worker with its heartbeat: for the queue it is dead, until it is thawed."""
        self.dead.add(self.slots[index].worker.pod)
        self.slots[index].worker.freeze_all()

    def stop(self, index: int) -> None:
        """Tell the worker to go, once: a process of Python's own that is about to end has no handler any more."""
        slot = self.slots[index]
        if slot.worker.is_running and not slot.asked:
            slot.worker.terminate()
        slot.asked = True

    def leave(self) -> None:
        """Tell all workers to go, now that nothing goes wrong any more, and see them go by themselves."""
        for index in range(self.size):
            self.stop(index)
        end = time.monotonic() + DRAIN_SECONDS
        while any(slot.worker.is_running for slot in self.slots) and time.monotonic() < end:
            time.sleep(0.1)
        self.wrong += [f"{slot.worker.pod} does not go when told to" for slot in self.slots if slot.worker.is_running]
        self.wrong += [f"the process {each} has outlived its worker" for each in self._orphans()]

    def half_made(self) -> set[str]:
        """Files that only a running job may have."""
        return {path for slot in self.slots for path in slot.ground.half_made()}

    def told_secrets(self) -> list[str]:
        """What workers have told that they may not."""
        told = []
        for worker in self.all_workers:
            try:
                worker.assert_secrets_kept()
            except AssertionError as error:
                told.append(str(error))
        return told

    def _orphans(self) -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(self.folder):
                    found.append(f"{process.name} ({(process / 'comm').read_text().strip()})")
        return found

    def _note_end(self, slot: Slot) -> None:
        code = slot.worker.exit_code()
        slot.next_at = time.monotonic() + PAUSE
        if slot.killed:
            return
        self.ended[code] += 1
        if code and not self._was_unfit(slot):
            self.wrong.append(f"{slot.worker.pod} ended by itself with {code}: {slot.worker.log()[-600:]!r}")
        # Whatever is left of its group would be an orphan, which the last look would no longer see.
        if survivors := _group(slot.worker):
            self.wrong.append(f"{slot.worker.pod} has left processes behind: {survivors}")
            slot.worker.kill()

    def _was_unfit(self, slot: Slot) -> bool:
        """Whether it ended before it asked for a job, as it does when the store is away."""
        return self.queue.first_asked(slot.worker.pod) is None

    def _begin_next(self, slot: Slot, index: int) -> None:
        slot.number += 1
        slot.worker = self._worker(slot.ground, index, slot.number)
        slot.asked, slot.killed, slot.next_at = False, False, None
        slot.worker.start()

    def _worker(self, ground: Ground, index: int, number: int) -> Worker:
        settings = {**self.settings, "PYTHONPATH": str(REPOSITORY)}
        worker = Worker(self.queue, ground, f"pod{index}-{number}", settings, PROGRAM)
        self.all_workers.append(worker)
        return worker


def _group(worker: Worker) -> list[int]:
    """The processes that are left of the worker's group, the dead ones aside."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == worker.process_id and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return [each for each in found if each != os.getpid()]
