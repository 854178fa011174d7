"""The planned faults, carried out."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.chaos.faults import Event, Kind
from tests.chaos.fleet import Fleet
from tests.chaos.slow_disk import SLOW
from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.servers.faulty_proxy import Fault, FaultyProxy
from tests.worker.queue_faults import Fault as QueueFault
from tests.worker.queue_standin import QueueStandIn

SLOW_ANSWER = (1.0, 8.0)
"""Seconds, shortest and longest, that a slow store takes more."""

STORE_FAULTS: dict[Kind, Callable[[str, Random], Fault]] = {
    "store refuses": lambda method, random: Fault(method, "refuse"),
    "store is slow": lambda method, random: Fault(method, "hang", seconds=random.uniform(*SLOW_ANSWER)),
    "store hangs": lambda method, random: Fault(method, "hang", seconds=math.inf),
    "store cuts requests": lambda method, random: Fault(method, "cut request"),
    "store loses answers": lambda method, random: Fault(method, "lose answer"),
    "store halves answers": lambda method, random: Fault(method, "cut answer"),
}

QUEUE_FAULTS: dict[Kind, QueueFault] = {
    "queue cuts": QueueFault(None),
    "queue loses answers": QueueFault(None, taken=True),
    "queue refuses": QueueFault(502),
}


@dataclass
class StoreWeather:
    """Asked by the proxy's threads for the fault of a request; ``struck`` counts those that got one."""

    random: Random
    struck: Counter[str] = field(default_factory=Counter)
    _until: dict[Event, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, event: Event) -> None:
        with self._lock:
            self._until[event] = time.monotonic() + event.seconds

    def clear(self) -> None:
        with self._lock:
            self._until.clear()

    def __call__(self, method: str, path: str) -> Fault | None:
        with self._lock:
            now = time.monotonic()
            for event in [event for event, end in self._until.items() if now < end]:
                if self.random.random() < event.share:
                    self.struck[event.kind] += 1
                    return STORE_FAULTS[event.kind](method, self.random)
            return None


@dataclass
class Storm:
    """``done`` counts what has been carried out, by its kind; a worker that isn't there can't be struck."""

    fleet: Fleet
    queue: QueueStandIn
    proxy: FaultyProxy
    weather: StoreWeather
    voice: ElevenLabsServer
    done: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def rage(self, events: Sequence[Event], seconds: float) -> None:
        """Carry them out, each at its time; returns after so many seconds."""
        began, coming = time.monotonic(), list(events)
        while (passed := time.monotonic() - began) < seconds:
            while coming and coming[0].at <= passed:
                self._carry_out(coming.pop(0))
            self._do_what_is_due(time.monotonic())
            self.fleet.tend()
            time.sleep(0.05)

    def end(self) -> None:
        """Nothing goes wrong from now on; what has begun is undone."""
        self.weather.clear()
        self.queue.faults.forget()
        self.voice.forget_script()
        self._do_what_is_due(math.inf)

    def _carry_out(self, event: Event) -> None:
        if event.slot is not None:
            self._strike(event, event.slot)
        elif event.kind == "job twice":
            self._hand_out_twice(event)
        else:
            self.done[event.kind] += 1
            self._spoil(event)

    def _spoil(self, event: Event) -> None:
        """What a server answers."""
        if event.kind in STORE_FAULTS:
            self.weather.begin(event)
        elif event.kind in QUEUE_FAULTS:
            self.queue.faults.plan(event.detail, QUEUE_FAULTS[event.kind])
        else:
            self.voice.script(Behaviour(event.detail))

    def _strike(self, event: Event, slot: int) -> None:
        worker = self.fleet.slots[slot].worker
        if not worker.is_running:
            return
        self.done[event.kind] += 1
        if event.kind == "kill":
            self.fleet.kill(slot)
        elif event.kind == "stop":
            self.fleet.stop(slot)
            self._after(event.seconds, lambda: self.fleet.kill(slot) if self._is_there(slot, worker.pod) else None)
        elif event.kind == "slow disk":
            switch = self.fleet.slots[slot].ground.folder / SLOW
            switch.touch()
            self._after(event.seconds, lambda: switch.unlink(missing_ok=True))
        else:
            worker.freeze() if event.kind == "freeze" else self.fleet.vanish(slot)
            self._after(event.seconds, lambda: worker.thaw() if worker.is_running else None)

    def _is_there(self, slot: int, pod: str) -> bool:
        worker = self.fleet.slots[slot].worker
        return worker.pod == pod and worker.is_running

    def _hand_out_twice(self, event: Event) -> None:
        """The queue takes a job for lost that isn't."""
        running = [job for job in self.queue.jobs() if job.status == "IN_PROGRESS"]
        if running:
            self.done[event.kind] += 1
            self.queue.hand_out_again(running[-1].id)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, act))

    def _do_what_is_due(self, now: float) -> None:
        due = [each for each in self._later if each[0] <= now]
        self._later = [each for each in self._later if each[0] > now]
        for _, act in due:
            act()
