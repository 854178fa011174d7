"""Stops all new videos at every server of a store, at once and without a restart, and lifts the stop again.

    python -m shim.stop "Back at noon."    refuse new videos with this reason; those that are being made go on
    python -m shim.stop --lift             make videos again

It reads the settings of the server: the same BUCKET_ variables, or the same STORE_DIR in the same folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from pydantic import ValidationError

from engine.errors import EngineError
from engine.store.choose import choose_store
from shim.budgets.stop import Stop, StopSign
from shim.settings import read_shim_settings


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO) -> int:
    """Do what the command line says. 2: nothing was done."""
    parser = argparse.ArgumentParser(
        prog="python -m shim.stop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("reason", nargs="?", help="a sentence for callers, of up to 500 characters")
    wanted.add_argument("--lift", action="store_true", help="make videos again")
    given = parser.parse_args(arguments)
    try:
        sign = StopSign(choose_store(read_shim_settings(), environment))
        out.write(_lift(sign) if given.lift else _stop(sign, given.reason))
    except ValidationError:
        sys.stderr.write("The reason has to have 1 to 500 characters.\n")
        return 2
    except EngineError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    return 0


def _stop(sign: StopSign, reason: str) -> str:
    sign.put_up(Stop(reason=reason.strip(), since=datetime.now(UTC)))
    return "Stopped: within 2 seconds no server begins another video. `python -m shim.stop --lift` lifts it.\n"


def _lift(sign: StopSign) -> str:
    return "Lifted: videos are made again.\n" if sign.take_down() else "Nothing was stopped.\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
