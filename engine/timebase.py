"""The integers that everything is counted in: 25 frames and 16,000 (heard) or 48,000 (played) samples a second.

Frame i shows heard samples [640 i, 640 (i + 1)); a sound of L heard samples makes ceil(L / 640) frames.
The sound that goes into the video keeps three times that rate, so both counts stay whole.
"""

from __future__ import annotations

FRAME_RATE = 25
HEARD_RATE = 16_000
PLAYED_RATE = 48_000
HEARD_PER_FRAME = HEARD_RATE // FRAME_RATE
PLAYED_PER_FRAME = PLAYED_RATE // FRAME_RATE


def frames_of_heard(samples: int) -> int:
    """How many frames a sound of so many 16 kHz samples makes."""
    return -(-samples // HEARD_PER_FRAME)
