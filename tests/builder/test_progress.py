from __future__ import annotations

import io
import itertools

import pytest

from builder.progress import Progress, readable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticking(step: float) -> itertools.count[float]:
    return itertools.count(0.0, step)


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    stream = io.StringIO()
    seconds = ticking(5.0)
    progress = Progress(stream, lambda: next(seconds))
    progress.expect(1000)
    progress.hold("a", 200)
    for _ in range(4):
        progress.arrive("b", 100)
    assert stream.getvalue() == ("40%: 400 B of 1.0 kB, 20 B/s, 0:30 left\n60%: 600 B of 1.0 kB, 20 B/s, 0:20 left\n")


def test_a_terminal_gets_a_bar_that_sentences_do_not_break() -> None:
    stream = Terminal()
    seconds = ticking(1.0)
    progress = Progress(stream, lambda: next(seconds))
    progress.expect(2_000_000)
    progress.arrive("a", 1_000_000)
    progress.say("Trying again.")
    bar, sentence = stream.getvalue().split("\r\x1b[K")[1:]
    assert bar == f"[{'#' * 15}{'.' * 15}]  50%  1.0 MB of 2.0 MB, 1.0 MB/s, 0:01 left"
    assert sentence == "Trying again.\n"


def test_a_file_that_starts_anew_counts_back() -> None:
    stream = io.StringIO()
    seconds = ticking(10.0)
    progress = Progress(stream, lambda: next(seconds))
    progress.expect(100)
    progress.arrive("a", 80)
    progress.hold("a", 0)
    progress.arrive("a", 10)
    assert stream.getvalue().splitlines()[1].startswith("10%: 10 B of 100 B")


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_400_074_924, "3.4 GB")])
def test_bytes_are_readable(count: int, text: str) -> None:
    assert readable(count) == text
