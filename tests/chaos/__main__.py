"""Everything goes wrong at once, on RunPod's own SDK: whether each job still comes to one end, and the store is whole.

    make chaos                                          seven minutes at most
    python -m tests.chaos --seed 7                      the same things go wrong at the same times
    python -m tests.chaos --seconds 50 --jobs 60        a shorter one
    python -m tests.chaos --seed 7 --plan               only say what would happen

Real worker processes share a bucket, a queue and a voice, all on loopback. By a plan that depends on the seed alone
workers are killed, told to go, frozen and robbed of their heartbeat; disks are slow; store, queue and voice refuse,
hang and break their connections; callers cancel, send jobs twice, delete sessions at work and send what is of no use.
Then nothing goes wrong any more, and what is left is looked at. Ends with 1 if anything is not as ARCHITECTURE.md
promises.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from tests.chaos.place import place
from tests.chaos.run import Plan, Wanted, run

CALM_SECONDS = 150.0


def main(arguments: Sequence[str]) -> int:
    wanted, only_plan = _wanted(arguments)
    # Whoever ends the run early wants its workers to go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with place() as here:
        plan = Plan.of(wanted, here.avatars)
        jobs = sum(asked.copies for visit in plan.visits for asked in visit.jobs)
        print(f"seed {wanted.seed}: {len(plan.visits)} callers with {jobs} jobs, and this goes wrong:")
        print("\n".join(map(str, plan.events)), flush=True)
        if only_plan:
            return 0
        found = run(wanted, here, plan)
    print("\n".join([*found.wrong(), *found.details(), found.last_line()]))
    return 0 if found.is_right else 1


def _wanted(arguments: Sequence[str]) -> tuple[Wanted, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Let everything go wrong at once.")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn by lot")
    parser.add_argument("--seconds", type=float, default=270.0, help="how long things go wrong")
    parser.add_argument("--jobs", type=int, default=320, help="how many callers bring in all, or a few more")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--calm", type=float, default=CALM_SECONDS, help="the most seconds that the rest may take")
    parser.add_argument("--plan", action="store_true", help="say what would go wrong, and do nothing")
    given = parser.parse_args(arguments)
    return Wanted(given.seed, given.seconds, given.jobs, given.workers, given.calm), given.plan


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
