"""Leading sound in from zero and out to zero, so that its ends don't click."""

from __future__ import annotations

import numpy as np

from engine.speech.voice import Samples


def faded_in(samples: Samples) -> Samples:
    """The samples under a straight ramp from 0 at the first to 1 behind the last."""
    return np.asarray(np.rint(samples * np.linspace(0, 1, samples.size, endpoint=False)), np.int16)


def faded_out(samples: Samples) -> Samples:
    """The samples under a straight ramp from 1 before the first to 0 at the last."""
    return faded_in(samples[::-1])[::-1]
