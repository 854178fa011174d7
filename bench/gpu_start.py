"""A process that starts like a worker with MuseTalk, draws one frame, and tells when each phase ended.

    python -m bench.gpu_start --dir PACKED [--device cuda] [--quick] [--artifacts DIR]

Prints JSON: the monotonic time at each phase's end, in order. With DIR the compiled networks in it are loaded.
"""

import time

ENDS = {"python": time.monotonic()}

# Imports come late on purpose: each is a phase.
import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

if TYPE_CHECKING:
    from engine.drawing.model_thread import ModelThread
    from engine.lipsync.musetalk import MuseTalkLipSync


def start(given: argparse.Namespace) -> None:
    import torch

    _ended("import torch")
    from bench.network_sizes import FULL, QUICK
    from engine.drawing.model_thread import ModelThread
    from engine.lipsync.musetalk import MuseTalkLipSync
    from engine.nets.networks import Networks

    _ended("import the renderer")
    device = torch.device(given.device)
    torch.zeros(1, device=device)
    _ended("open the device")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    networks = Networks.load(given.dir, QUICK if given.quick else FULL, device, dtype)
    _ended("weights to the device")
    thread = ModelThread()
    lipsync = thread.run(lambda: MuseTalkLipSync(networks, thread, rests=False))
    if given.artifacts:
        from bench.compiled_networks import paint_compiled

        thread.run(lambda: paint_compiled(lipsync, given.artifacts))
    _ended("the renderer, compiled networks traced")
    thread.run(lipsync.warm)
    _ended("warm")
    _draw_one(lipsync, thread)
    _ended("the first frame")
    thread.close()


def _draw_one(lipsync: "MuseTalkLipSync", thread: "ModelThread") -> None:
    """A second of sound is heard, and its first frame drawn in the frame loop."""
    from bench.synthetic_avatar import SyntheticAvatar, swelling_hum
    from engine.cancel import CancelToken
    from engine.drawing.frame_loop import FrameLoop
    from engine.lipsync.renderer import Shot

    avatar, listener = SyntheticAvatar.of((320, 240), 1), lipsync.listen(live=False)
    features = [*listener.push(swelling_hum(25)), *listener.finish()]
    with FrameLoop(lipsync, thread).job() as job:
        job.draw(Shot(avatar.frames[0], 0, avatar.track, features[0])).wait(CancelToken())()


def _ended(phase: str) -> None:
    ENDS[phase] = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_start")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--artifacts", type=Path)
    start(parser.parse_args())
    sys.stdout.write(json.dumps(ENDS) + "\n")


if __name__ == "__main__":
    main()
