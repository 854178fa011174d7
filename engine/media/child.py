"""The decoding process as its parent sees it: started, listened to, and gone without a trace."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from select import POLLIN, poll
from time import monotonic
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from engine.cancel import CancelToken
from engine.media.wire import LARGEST_JSON, PREFIX, Kind, Task, Verdict

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
LOOK_UP_SECONDS = 0.1
LARGEST_LAST_WORDS = 8_192
STARTING = (
    "import sys; sys.path.insert(0, sys.argv[1]); from importlib import import_module; "
    "from engine.media.decoding_process import run; "
    "run(getattr(import_module(sys.argv[2]), sys.argv[3]), sys.argv[4:])"
)

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class ChildFailed(Exception):
    """The decoding process died, fell silent for too long, or said what it never should."""


class ChildRefused(Exception):
    """The decoding process refused the file."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@dataclass(frozen=True)
class Work:
    """The function that the process runs, by the module's name and its own."""

    module: str
    function: str


PICTURES = Work("engine.media.picture_process", "decode_pictures")
SOUND = Work("engine.media.sound_process", "decode_samples")


@dataclass(frozen=True)
class Message:
    """A message's prefix: its body of so many bytes is yet to be read."""

    kind: Kind
    repeats: int
    size: int


class Child:
    """Reads one decoding process's messages. The time that its reader takes is not the process's own."""

    def __init__(self, messages: int, patience: float, cancel: CancelToken) -> None:
        self._messages = messages
        self._patience = patience
        self._cancel = cancel
        self._poll = poll()
        self._poll.register(messages, POLLIN)

    def next(self) -> Message:
        """The next message's prefix.

        Raises ChildRefused when it is a refusal; ChildFailed, Cancelled.
        """
        prefix = bytearray(PREFIX.size)
        self.read_into(memoryview(prefix))
        kind, repeats, size = PREFIX.unpack(prefix)
        if kind not in set(Kind):
            raise ChildFailed("the decoding process sent an unknown message")
        message = Message(Kind(kind), repeats, size)
        if message.kind is Kind.REFUSAL:
            raise ChildRefused(self.body(message, Verdict))
        return message

    def expect(self, kind: Kind, shape: type[T]) -> T:
        """The next message's body, which is of ``kind``."""
        message = self.next()
        if message.kind is not kind:
            raise ChildFailed("the decoding process sent its messages in another order")
        return self.body(message, shape)

    def body(self, message: Message, shape: type[T]) -> T:
        """The message's JSON as the dataclass ``shape``."""
        try:
            return TypeAdapter(shape).validate_json(self.read(message, LARGEST_JSON))
        except ValidationError as error:
            raise ChildFailed("the decoding process sent a message that makes no sense") from error

    def read(self, message: Message, largest: int) -> bytearray:
        if message.size > largest:
            raise ChildFailed("the decoding process sent a message that is too large")
        data = bytearray(message.size)
        self.read_into(memoryview(data))
        return data

    def read_into(self, view: memoryview) -> None:
        """Fill ``view`` with what the process says next.

        Raises ChildFailed when it ends or has no time left first, Cancelled.
        """
        while view:
            self._wait()
            count = os.readv(self._messages, [view])
            if not count:
                raise ChildFailed("the decoding process died")
            view = view[count:]

    def _wait(self) -> None:
        started = monotonic()
        while True:
            self._cancel.check()
            ready = self._poll.poll(LOOK_UP_SECONDS * 1000)
            now = monotonic()
            self._patience -= now - started
            started = now
            if ready:
                return
            if self._patience < 0:
                raise ChildFailed("the decoding process took too long")


@contextmanager
def child_decoding(path: Path, work: Work, task: Task, patience: float, cancel: CancelToken) -> Iterator[Child]:
    """A process that decodes the file at ``path`` for as long as the context lasts.

    It gets the open file and two pipes and nothing else: no environment, no terminal, no working
    folder, a session of its own, and the limits of ``task``. ``patience`` is how many seconds it may
    keep its reader waiting in all. On the way out it is killed, waited for, and its pipes are closed.
    """
    messages, target = os.pipe()
    try:
        process = _start(path, work, task, target)
    except BaseException:
        os.close(messages)
        raise
    finally:
        os.close(target)
    try:
        yield Child(messages, patience, cancel)
    finally:
        # Killed before its pipe is closed: a process that is no longer wanted has nothing to complain of.
        _end(process)
        os.close(messages)


def _start(path: Path, work: Work, task: Task, target: int) -> subprocess.Popen[bytes]:
    with path.open("rb") as source:
        given = (source.fileno(), target)
        place = (str(PROJECT), work.module, work.function, *map(str, given), json.dumps(asdict(task)))
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-c", STARTING, *place],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=given,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    # Unreaped, the process keeps its number, so the group that is killed can be no other.
    os.killpg(process.pid, signal.SIGKILL)
    with process:
        last_words = process.stderr.read(LARGEST_LAST_WORDS) if process.stderr else b""
    if last_words:
        LOG.warning("the decoding process failed: %s", last_words.decode(errors="replace"))
