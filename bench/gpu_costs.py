"""What a video costs on this card, by what the parts before have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from bench.gpu_figures import Figure, left
from bench.gpu_place import Place
from bench.prices import CLIP_SECONDS, Timings, table
from bench.table import Table
from engine.timebase import FRAME_RATE

AVATAR_SECONDS = 6
NEEDED: tuple[Figure, ...] = ("start", "preparing", "drawing", "busy")


def measure(place: Place) -> Iterator[Table]:
    found = left(place.shared)
    missing = [name for name in NEEDED if name not in found]
    if missing or not place.on_gpu:
        why = f"No costs: {', '.join(missing)} not measured." if missing else "No costs: this is no GPU."
        yield replace(table(None), notes=(*table(None).notes, why))
        return
    priced = table(timings(torch.cuda.get_device_name(place.device), found))
    how = (
        f"Of the parts above: an avatar of {AVATAR_SECONDS} s is prepared without its landmarks, whose weights aren't "
        "here; frames are composed, and encoded where PyAV is; speech and storage aren't in it."
    )
    yield replace(priced, notes=(*priced.notes, how))


def timings(card: str, found: Mapping[Figure, float]) -> Timings:
    """For a clip and an avatar of the stated lengths, at so many seconds a frame."""
    return Timings(
        card=card,
        start=found["start"],
        preparation=AVATAR_SECONDS * FRAME_RATE * found["preparing"],
        clip=CLIP_SECONDS * FRAME_RATE * found["drawing"],
        busy=FRAME_RATE * found["busy"],
    )
