"""What a video costs on RunPod's serverless GPUs, from the times that this run has measured on its own card.

Prices are those of flex workers, in dollars a second, as docs.runpod.io/serverless/pricing states them; a worker is
billed from the start of its process to its end, by whole seconds, and idles IDLE_SECONDS after its last job.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.machine import NO_GPU
from bench.table import Table

IDLE_SECONDS = 5.0
"""An endpoint's idle timeout, by default."""
CLIP_SECONDS = 5.0


@dataclass(frozen=True)
class Card:
    """A kind of worker. ``names``: what CUDA calls such cards, or parts of it."""

    title: str
    dollars: float
    names: tuple[str, ...]


CARDS = (
    Card("16 GB: A4000, A4500, RTX 4000", 0.00016, ("A4000", "A4500", "RTX 4000")),
    Card("24 GB: L4, A5000, 3090", 0.00019, ("L4", "A5000", "3090")),
    Card("48 GB: A6000, A40", 0.00034, ("A6000", "A40")),
    Card("48 GB: L40, L40S, 6000 Ada", 0.00053, ("L40", "L40S", "6000 Ada")),
    Card("4090", 0.00031, ("4090",)),
    Card("H100", 0.00116, ("H100",)),
    Card("H200", 0.00155, ("H200",)),
)


@dataclass(frozen=True)
class Timings:
    """Seconds, measured on one card.

    start: from the process's start to its first job. preparation: of the avatar. clip: a job of CLIP_SECONDS on a
    prepared avatar. busy: a second of video, while as many jobs run as the worker takes.
    """

    card: str
    start: float
    preparation: float
    clip: float
    busy: float


def billed(seconds: float, card: Card) -> float:
    """Dollars for a worker that lived so long."""
    return math.ceil(seconds) * card.dollars


def card_of(name: str) -> Card | None:
    """The kind that a card of CUDA's ``name`` belongs to: the one with the longest name that it holds."""
    words = f" {name} "
    found = [(len(part), card) for card in CARDS for part in card.names if f" {part} " in words.replace("-", " ")]
    return max(found, key=lambda each: each[0])[1] if found else None


def table(timings: Timings | None) -> Table:
    """Every card with its price, and the costs on the one that was measured."""
    measured = None if timings is None else card_of(timings.card)
    return Table(
        title="Dollars of a video",
        columns=("card", "$/s", "5 s, cold", "5 s, warm", "5 s, avatar cached", "a minute, busy worker"),
        rows=tuple(
            (card.title, f"{card.dollars:.5f}", *(_costs(timings, card) if timings and card is measured else _NONE))
            for card in CARDS
        ),
        notes=(
            f"A clip of {CLIP_SECONDS:g} s alone, with {IDLE_SECONDS:g} s of idling after it, billed by whole seconds. "
            "Cold: the worker's start and the avatar's preparation in it. Warm: the preparation. Cached: neither.",
            "Busy: the worker always has as many jobs as it takes, and neither starts nor idles.",
            *(() if measured else ("Only a run on a card can fill its row.",)),
        ),
    )


_NONE = (NO_GPU,) * 4


def _costs(timings: Timings, card: Card) -> tuple[str, ...]:
    cached = timings.clip + IDLE_SECONDS
    warm = timings.preparation + cached
    alone = (billed(seconds, card) for seconds in (timings.start + warm, warm, cached))
    return (*(f"{dollars:.5f}" for dollars in alone), f"{60 * timings.busy * card.dollars:.5f}")
