"""The doors, by the names of their modules; each has a ``DOOR``. What takes longest comes first."""

from __future__ import annotations

DOORS: tuple[str, ...] = (
    "tests.fuzz.sounds",
    "tests.fuzz.job_inputs",
    "tests.fuzz.records",
    "tests.fuzz.avatars",
    "tests.fuzz.bundles",
    "tests.fuzz.weights",
)
