"""A worker that gets ready and tells when each phase ended: ``python -m bench.starting_worker sdk|plain``.

The same steps in the same order as ``handler.main`` and, for the fitness checks, the SDK. ``plain`` imports
the SDK as it is, without the stand-in for py-cpuinfo. Prints JSON: the monotonic time at each phase's end, in order.
"""

import time

ENDS = {"python": time.monotonic()}

# Imports come late on purpose: each is a phase.
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402


def main(how: str) -> None:
    from engine.engine import Engine
    from engine.settings import read_settings
    from engine.store.choose import choose_store

    _ended("import handler")
    _load_sdk(how)
    _ended("import runpod")
    settings = read_settings()
    engine = Engine.open(settings, choose_store(settings, os.environ))
    _ended("open engine")
    engine.warm()
    _ended("warm")
    for check in engine.checks().values():
        check()
    _ended("fitness checks")
    sys.stdout.write(json.dumps(ENDS) + "\n")


def _load_sdk(how: str) -> None:
    if how == "plain":
        import runpod.serverless  # noqa: F401
    else:
        from worker import sdk

        sdk.load()


def _ended(phase: str) -> None:
    ENDS[phase] = time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1])
