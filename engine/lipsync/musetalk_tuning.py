"""Compiled networks for MuseTalk: had from the store at once, or made when the worker has nothing else to do."""

from __future__ import annotations

import logging
import threading
import time

from engine.drawing.model_thread import ModelThread
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_track import LATENT_SHAPE
from engine.lipsync.renderer import DeviceMemoryExhausted
from engine.nets.compiling import CompilationFailed, CompilePlan, compile_apart, compiled, load_artifacts
from engine.nets.networks import NetworkConfigs
from engine.outages import StorageFull, StorageUnavailable
from engine.store.protocol import ObjectStore

log = logging.getLogger(__name__)

FOLDER = "compiled"
IDLE_SECONDS = 5.0
"""The worker is idle when it has drawn nothing for so long."""


class MuseTalkTuning:
    """Lets ``lipsync`` paint with compiled networks, one batch size after another.

    Until then, and where compiling fails, it paints with the networks as they are.
    """

    def __init__(self, lipsync: MuseTalkLipSync, thread: ModelThread, configs: NetworkConfigs) -> None:
        self._lipsync = lipsync
        self._thread = thread
        self._plan = _plan(lipsync, configs)

    def tune(self, store: ObjectStore) -> None:
        """Take the artifacts from the store before anything is drawn; else make them later, and put them there.

        Raises StorageUnavailable.
        """
        key = f"{FOLDER}/{self._thread.run(self._plan.key)}"
        found = store.get(key)
        if found is not None and load_artifacts(found.body):
            log.info("Compiled networks come from the store.")
            for size in reversed(self._plan.sizes):
                self._swap(size)
            return
        threading.Thread(target=self._make, args=(store, key), name="compiling", daemon=True).start()

    def _make(self, store: ObjectStore, key: str) -> None:
        self._wait_until_idle()
        log.info("The worker is idle: compiling the networks in another process.")
        try:
            artifacts = compile_apart(self._plan)
        except CompilationFailed as failure:
            log.warning("The networks can't be compiled, and are used as they are: %s", failure)
            return
        _keep(store, key, artifacts)
        load_artifacts(artifacts)
        for size in reversed(self._plan.sizes):
            self._wait_until_idle()
            self._swap(size)

    def _swap(self, size: int) -> None:
        try:
            self._thread.run(lambda: self._lipsync.paint_with(compiled(self._lipsync.painter), size))
        except (RuntimeError, DeviceMemoryExhausted) as failure:
            log.warning("Batches of %d are not painted by compiled networks: %s", size, failure)
        else:
            log.info("Batches of %d are painted by compiled networks from now on.", size)

    def _wait_until_idle(self) -> None:
        begun = None
        while begun != self._lipsync.begun:
            begun = self._lipsync.begun
            time.sleep(IDLE_SECONDS)


def _plan(lipsync: MuseTalkLipSync, configs: NetworkConfigs) -> CompilePlan:
    positions = lipsync.painter.positions
    tokens, width = positions.shape
    return CompilePlan(
        device=positions.device.type,
        dtype=str(positions.dtype).removeprefix("torch."),
        unet=configs.unet,
        vae=configs.vae,
        sizes=lipsync.batch_sizes,
        face=LATENT_SHAPE,
        sound=(tokens, width),
    )


def _keep(store: ObjectStore, key: str, artifacts: bytes) -> None:
    try:
        store.put(key, artifacts)
    except (StorageUnavailable, StorageFull) as failure:
        log.warning("Compiled networks could not be stored: %s", failure.message)
    else:
        log.info("Compiled networks are in the store: %d bytes.", len(artifacts))
