"""What has to hold before a worker takes jobs. Each check raises an EngineError that says what to do."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import numpy as np

from engine.errors import ConfigurationError
from engine.lipsync.choose import Renderer
from engine.outages import StorageFull, StorageUnavailable
from engine.settings import Settings
from engine.store.choose import is_on_volume
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from engine.timebase import HEARD_RATE, PLAYED_PER_FRAME
from engine.video.encode import EncoderSettings, Mp3Writer, Mp4Writer
from engine.video.i420 import I420

SCRATCH_BYTES = 200_000_000


def check_store(store: ObjectStore) -> None:
    """The store takes an object, gives it back, refuses to create it twice, and removes it."""
    key = f"workers/probe-{uuid.uuid4()}"
    try:
        if store.put_if_absent(key, b"probe") is None or store.put_if_absent(key, b"again") is not None:
            raise StorageUnavailable("The object store doesn't keep to put-if-absent, which sessions rely on.")
        found = store.get(key)
        if found is None or found.body != b"probe":
            raise StorageUnavailable("The object store doesn't give back what was written.")
    finally:
        store.delete(key)


def check_store_lasts(store: ObjectStore, settings: Settings) -> None:
    """What a job makes outlives the worker: its store is a bucket or a network volume, or results travel inline."""
    if isinstance(store, LocalStore) and not settings.inline_results and not is_on_volume(settings):
        raise ConfigurationError(
            "Results would die with this worker: set the BUCKET_ variables, or STORE_DIR to a folder of the network "
            "volume, or INLINE_RESULTS=1."
        )


def check_scratch(folder: Path) -> None:
    """The folder for temporary files exists and has room for a job."""
    if not folder.is_dir():
        raise ConfigurationError("SCRATCH_DIR is not a folder. Create it, or unset the variable.")
    free = shutil.disk_usage(folder).free
    if free < SCRATCH_BYTES:
        raise StorageFull(
            f"The folder for temporary files has {free // 10**6} MB free, and a job needs {SCRATCH_BYTES // 10**6}."
        )


def check_rendering(renderer: Renderer, folder: Path) -> None:
    """Listen, draw and encode for a moment, which also loads everything that the first job would wait for."""
    listener = renderer.lipsync.listen(live=False)
    listener.push(np.zeros(HEARD_RATE, np.float32))
    listener.finish()
    renderer.thread.run(renderer.lipsync.warm)
    picture = I420(np.full((96, 64), 128, np.uint8))
    sound = np.zeros(PLAYED_PER_FRAME, np.int16)
    video, audio = folder / f"warm-{uuid.uuid4()}.mp4", folder / f"warm-{uuid.uuid4()}.mp3"
    try:
        with Mp4Writer(video, 64, 64, EncoderSettings()) as mp4, Mp3Writer(audio) as mp3:
            mp4.write_frame(picture)
            mp4.write_sound(sound)
            mp3.write_sound(sound)
    finally:
        video.unlink(missing_ok=True)
        audio.unlink(missing_ok=True)
