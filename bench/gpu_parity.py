"""Part ``parity``: every way but compiled against plain single precision."""

from __future__ import annotations

from collections.abc import Iterator

from bench.gpu_place import Place
from bench.network_parity import parity_tables
from bench.painting_ways import ways_of
from bench.table import Table


def measure(place: Place) -> Iterator[Table]:
    title = "Pictures against the plain way in single precision"
    # The first way is the one that the others are compared with.
    yield from parity_tables(place, title, ways_of(place)[1:], place.amounts.batches)
