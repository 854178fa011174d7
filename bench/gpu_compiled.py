"""Part ``compiled``: the compiled networks, in the sizes that an earlier part has compiled."""

from __future__ import annotations

from collections.abc import Iterator

from bench.compiled_networks import compiled_sizes, compiled_way
from bench.gpu_frames import COLUMNS, our_rates
from bench.gpu_place import Place
from bench.machine import NO_GPU
from bench.network_parity import parity_tables
from bench.network_speed import speed_tables
from bench.painting_ways import GRAPHED, PLAIN_WAY
from bench.synthetic_avatar import SyntheticAvatar, swelling_hum
from bench.table import Table

TITLE = "UNet and decoder, compiled"


def measure(place: Place) -> Iterator[Table]:
    sizes = compiled_sizes(place.shared)
    if not sizes:
        why = "nothing was compiled before" if place.compiles else NO_GPU
        yield Table(TITLE, ("",), ((why,),))
        return
    ways = (PLAIN_WAY, *([GRAPHED] if place.on_gpu else []), compiled_way(place))
    yield from speed_tables(place, TITLE, ways, sizes)
    yield from parity_tables(place, "Pictures of the compiled networks against the plain way", ways[-1:], sizes)
    avatar, sound = SyntheticAvatar.of(place.amounts.size), swelling_hum(place.amounts.frames)
    width, height = place.amounts.size
    rates = our_rates(place, avatar, sound)
    yield Table(
        f"Whole jobs at {width}x{height}, compiled networks", COLUMNS, tuple(rate.row(plain=None) for rate in rates)
    )
