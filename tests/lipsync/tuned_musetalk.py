"""A worker's start with compiled networks, as a process of its own: torch's caches are a process's and a folder's.

    python -m tests.lipsync.tuned_musetalk FOLDER    FOLDER holds the weights of SMALLEST and a store

Prints one line of JSON: what the start found, and how far what it draws afterwards is from what it drew before.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.network_sizes import QUICK
from engine.lipsync.choose import Renderer
from engine.lipsync.musetalk_load import load_musetalk
from engine.nets.unet import UNetConfig
from engine.nets.vae import VaeConfig
from engine.settings import Settings
from engine.store.local import LocalStore
from engine.video.i420 import I420
from tests.lipsync.recorded_drawing import drawn
from tests.lipsync.test_musetalk import shot

SMALLEST = replace(
    QUICK,
    unet=UNetConfig(block_channels=(4,), heads=2, audio_channels=24, groups=2, layers_per_block=0, time_folded=True),
    vae=VaeConfig(block_channels=(4, 4, 4, 4), layers_per_block=0, groups=2),
)
"""Networks with as few different layers as they can have: a compiler takes its time for each."""
LONGEST = 800.0
"""Seconds that compiling may take."""


def pictures(renderer: Renderer) -> list[I420]:
    return renderer.thread.run(lambda: drawn(renderer.lipsync, [shot(index) for index in range(3)]))


def wait_for_compiler() -> None:
    end = time.monotonic() + LONGEST
    while any(thread.name == "compiling" for thread in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.2)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    folder = Path(sys.argv[1])
    store = LocalStore(folder / "store")
    settings = Settings(renderer="musetalk", weights_dir=folder, compile_networks="on")
    found = len(list(store.list("compiled/")))
    plain = load_musetalk(settings.model_copy(update={"compile_networks": "off"}), False, SMALLEST)
    renderer = load_musetalk(settings, False, SMALLEST)
    renderer.tune(store)
    renderer.thread.run(renderer.lipsync.warm)
    at_once, wanted = pictures(renderer), pictures(plain)
    wait_for_compiler()
    later = pictures(renderer)
    apart = [
        max(int(np.abs(one.packed.astype(int) - other.packed).max()) for one, other in zip(made, wanted, strict=True))
        for made in (at_once, later)
    ]
    counted = sys.modules.get("torch._dynamo.utils")
    hits = 0 if counted is None else counted.counters["inductor"]["fxgraph_cache_hit"]
    print(json.dumps({"found": found, "kept": len(list(store.list("compiled/"))), "apart": apart, "hits": hits}))


if __name__ == "__main__":
    main()
