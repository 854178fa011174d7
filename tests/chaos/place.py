"""The servers and folders of a run, all on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.store.s3 import S3Store
from tests.chaos.housekeeping import House
from tests.chaos.visits import Avatars
from tests.servers.elevenlabs import ElevenLabsServer
from tests.servers.faulty_proxy import FaultyProxy, faulty_proxy
from tests.servers.moto_process import moto_process
from tests.worker.clips import grey_clip, talking_head
from tests.worker.paid_voice import account
from tests.worker.queue_losses import Losses
from tests.worker.queue_standin import QueueStandIn
from tests.worker.workers_bucket import WorkersBucket

LOST_AFTER = 6.0
"""Seconds without a word of a job after which the queue hands it out again; workers ping every second."""

HOLD_SECONDS = 2.0


@dataclass(frozen=True)
class Place:
    """The servers and folders of a run."""

    folder: Path
    default_avatar: Path
    avatars: Avatars
    bucket: WorkersBucket
    proxy: FaultyProxy
    queue: QueueStandIn
    voice: ElevenLabsServer

    @property
    def settings(self) -> dict[str, str]:
        """Of every worker."""
        places = {"AVATAR_DIRS": str(self.folder / "avatars")}
        return {**places, **account(self.voice), **self.bucket.environment(self.proxy.url)}

    def house(self) -> House:
        """Its store, which is asked without the proxy."""
        return House(S3Store(self.bucket.settings), self.folder / "sweeper", self.default_avatar)


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="chaos-")))
        server = stack.enter_context(moto_process("chaos"))
        proxy = stack.enter_context(faulty_proxy(server.port))
        proxy.writing = threading.Lock()
        queue = stack.enter_context(QueueStandIn(HOLD_SECONDS, Losses(LOST_AFTER)))
        voice = stack.enter_context(ElevenLabsServer())
        avatars = make_avatars(folder / "avatars")
        default = talking_head(folder / "default.mp4", 12)
        yield Place(folder, default, avatars, WorkersBucket.on(server), proxy, queue, voice)


def make_avatars(folder: Path) -> Avatars:
    folder.mkdir()
    good = [str(talking_head(folder / f"face{frames}.mp4", frames)) for frames in (10, 15, 25)]
    damaged = folder / "damaged.mp4"
    damaged.write_bytes(Path(good[0]).read_bytes()[:2_000])
    return Avatars((None, *good), str(grey_clip(folder / "nobody.mp4")), str(damaged))
