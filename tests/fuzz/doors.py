"""The doors, by the names of their modules; each has a ``DOOR``."""

from __future__ import annotations

DOORS: tuple[str, ...] = (
    "tests.fuzz.job_inputs",
    "tests.fuzz.records",
    "tests.fuzz.avatars",
    "tests.fuzz.sounds",
    "tests.fuzz.bundles",
    "tests.fuzz.weights",
)
