"""Part ``networks``: the UNet and the decoder, every way but compiled and every size of batch."""

from __future__ import annotations

from collections.abc import Iterator

from bench.gpu_place import Place
from bench.network_speed import speed_tables
from bench.painting_ways import ways_of
from bench.table import Table


def measure(place: Place) -> Iterator[Table]:
    title = "UNet and decoder: latents and sound in, 8-bit pictures out"
    yield from speed_tables(place, title, ways_of(place), place.amounts.batches)
