"""A short run of the whole: everything goes wrong for less than a minute."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

LAST_LINE = re.compile(
    r"chaos: seed 5: 6\d jobs in \d+ s: (\d+) results, \d+ typed errors, \d+ cancelled, 0 lost, 0 doubled; "
    r"\d+ objects whole, 0 torn, \d+ leftovers collected, 0 unreferenced; (\d+) kills, (\d+) stops, .*"
)


@pytest.mark.full
def test_nothing_is_lost_or_done_twice_when_everything_goes_wrong() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "5", "--seconds", "45", "--jobs", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    told = done.stdout.splitlines()
    print("\n".join(told[-30:]))
    assert done.returncode == 0, done.stderr[-2000:]
    found = LAST_LINE.fullmatch(told[-1])
    assert found is not None, told[-1]
    assert int(found[1]) >= 30
    assert int(found[2]) >= 1
    assert int(found[3]) >= 1
