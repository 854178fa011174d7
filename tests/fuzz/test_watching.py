"""What a case leaves behind, and what a decoding process did not foresee, is noticed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.decoders import LOGGER, no_unforeseen_errors
from tests.fuzz.leftovers import nothing_left


def test_a_file_that_stays_behind_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="forgotten"), nothing_left(tmp_path):
        (tmp_path / "forgotten").touch()


def test_a_descriptor_that_stays_open_is_noticed() -> None:
    opened: list[int] = []
    with pytest.raises(AssertionError, match="open descriptors"), nothing_left():
        opened.append(os.open("/dev/null", os.O_RDONLY))
    os.close(opened[0])


def test_a_process_that_nobody_waits_for_is_noticed() -> None:
    started: list[subprocess.Popen[bytes]] = []
    with pytest.raises(AssertionError, match="a process stays behind"), nothing_left():
        started.append(subprocess.Popen([sys.executable, "-c", "pass"]))
    started[0].wait()


def test_what_ends_in_order_leaves_nothing(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        with (tmp_path / "file").open("w") as file:
            file.write("text")
        (tmp_path / "file").unlink()


def test_a_decoding_process_that_ends_with_a_traceback_is_noticed() -> None:
    with pytest.raises(AssertionError, match="KeyError"), no_unforeseen_errors():
        logging.getLogger(LOGGER).warning("the decoding process failed: Traceback (most recent call last):\nKeyError")
    with no_unforeseen_errors():
        logging.getLogger(LOGGER).warning("the decoding process failed: libav gave up")
