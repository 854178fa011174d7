"""What a decoding process says of itself when it fails: an error of Python that it did not foresee is a defect."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = "engine.media.child"
"""Who tells the last words of decoding processes."""
UNFORESEEN = "Traceback (most recent call last)"


@contextmanager
def no_unforeseen_errors() -> Iterator[None]:
    """Raises AssertionError when a decoding process ended with a traceback within the block.

    Its parent makes a typed error of any end; a file that libav's own code crashes on is meant to end so.
    """
    heard = _LastWords()
    logger = logging.getLogger(LOGGER)
    logger.addHandler(heard)
    logger.propagate, before = False, logger.propagate
    try:
        yield
    finally:
        logger.removeHandler(heard)
        logger.propagate = before
        tracebacks = [words for words in heard.said if UNFORESEEN in words]
        assert not tracebacks, f"the decoding process did not foresee: {tracebacks[0].strip()}"


class _LastWords(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
