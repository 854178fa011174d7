"""How fast the UNet and the decoder are, each way and size of batch, beside what the device could do at best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.device_clock import forget_peak, median_ms, peak_bytes
from bench.gpu_peaks import Peak, peak_of, product_peak
from bench.gpu_place import Place, gigabytes, rated
from bench.machine import NO_GPU
from bench.painting_ways import PLAIN_WAY, TOKENS, Painting, Way
from bench.table import Table, met
from engine.lipsync.musetalk_track import LATENT_SHAPE
from engine.nets.face_batches import EagerRunner
from engine.nets.networks import NetworkConfigs, on_meta
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder

GOAL_FPS, GOAL_SHARE, GOAL_TIMES = 500.0, 0.4, 3.0
ROOM_SECONDS = 15.0
"""No way is begun with less time left than this."""


@dataclass(frozen=True)
class Speed:
    """One way's batch of ``size`` faces. unet_ms: of the UNet alone, or None where both are one graph."""

    way: Way
    size: int
    ms: float
    unet_ms: float | None
    bytes: int | None

    @property
    def frames_a_second(self) -> float:
        return 1000 * self.size / self.ms


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one frame, a multiplication and an addition being two."""

    unet: float
    decoder: float

    @property
    def both(self) -> float:
        return self.unet + self.decoder

    @classmethod
    def of(cls, configs: NetworkConfigs) -> Operations:
        """Counted on networks without weights."""
        unet, decoder = on_meta(lambda: UNet(configs.unet)), on_meta(lambda: VaeDecoder(configs.vae))
        latents, tokens = torch.empty(1, *LATENT_SHAPE), torch.empty(1, TOKENS, configs.whisper.width)
        with torch.inference_mode():
            with FlopCounterMode(display=False) as drawing:
                spoken = unet(latents.to("meta"), tokens.to("meta"))
            with FlopCounterMode(display=False) as decoding:
                decoder(spoken)
        return cls(drawing.get_total_flops(), decoding.get_total_flops())


@dataclass(frozen=True)
class Speeds:
    """All that is measured so far; the plain way comes first. ``product``: what a large matrix product reached."""

    title: str
    found: tuple[Speed, ...]
    too_large: tuple[str, ...]
    made_of: str
    peak: Peak
    product: Peak
    operations: Operations
    on_gpu: bool

    def table(self) -> Table:
        return Table(
            title=self.title,
            columns=(
                "",
                "batch",
                "ms a batch",
                "ms a frame",
                "of it the UNet",
                "frames/s",
                "share of the peak",
                "times the plain way, fp32",
                "GB of VRAM",
            ),
            rows=tuple(self._row(speed) for speed in self.found),
            notes=(
                f"The plain way: {self.made_of}, called eagerly, with fp32 as torch has it by default.",
                f"A frame takes {self.operations.unet / 1e9:.1f} GFLOP in the UNet and "
                f"{self.operations.decoder / 1e9:.1f} in the decoder, counted by torch's FlopCounterMode.",
                f"The peak: {self.peak.tflops:.3g} TFLOP/s, from {self.peak.source}. Reached here by "
                f"{self.product.source}: {self.product.tflops:.3g} TFLOP/s.",
                "Medians; inputs lie on the device, and pictures stay there. Graphs of all sizes share one pool of "
                "memory, in which the largest comes first.",
                *((f"The device has no memory for: {'; '.join(self.too_large)}.",) if self.too_large else ()),
                self._goals() if self.on_gpu else f"Half precision and graphs: {NO_GPU}.",
            ),
        )

    def _row(self, speed: Speed) -> tuple[str, ...]:
        unet = "one graph" if speed.unet_ms is None else f"{speed.unet_ms / speed.size:.3f}"
        share = self.peak.share(self.operations.both * speed.size, speed.ms / 1000)
        return (
            speed.way.title,
            str(speed.size),
            f"{speed.ms:.2f}",
            f"{speed.ms / speed.size:.3f}",
            unet,
            rated(speed.frames_a_second),
            f"{100 * share:.1f} %",
            self._times(speed),
            gigabytes(speed.bytes),
        )

    def _times(self, speed: Speed) -> str:
        """How many times as fast as the plain way with as many frames at once."""
        plain = next((each for each in self.found if each.size == speed.size and each.way == PLAIN_WAY), None)
        return "" if plain is None else f"{plain.ms / speed.ms:.2f}"

    def _goals(self) -> str:
        best = max(self.found, key=lambda speed: speed.frames_a_second)
        share = self.peak.share(self.operations.both * best.size, best.ms / 1000)
        plain = max((each.frames_a_second for each in self.found if each.way == PLAIN_WAY), default=float("inf"))
        times = best.frames_a_second / plain
        return (
            f"The best, {best.way.title}, batch {best.size}: {best.frames_a_second:.1f} frames/s; goal {GOAL_FPS:.0f}: "
            f"{met(best.frames_a_second >= GOAL_FPS)}. {100 * share:.1f} % of the peak; goal {100 * GOAL_SHARE:.0f} %: "
            f"{met(share >= GOAL_SHARE)}. {times:.2f} times the plain way's best in fp32; goal {GOAL_TIMES:.0f}: "
            f"{met(times >= GOAL_TIMES)}."
        )


def speed_tables(place: Place, title: str, ways: Sequence[Way], sizes: Sequence[int]) -> Iterator[Table]:
    """A table after every way, each with all ways so far; the first of ``ways`` is the plain one."""
    operations, made_of = Operations.of(place.configs), ""
    found, too_large = list[Speed](), list[str]()
    with torch.inference_mode():
        product = product_peak(place.device, place.amounts.repetitions)
        peak = peak_of(place.device, product)
        for way in ways:
            if place.seconds_left < ROOM_SECONDS:
                return
            painting = way.make(place, way.dtype)
            made_of = made_of or painting.made_of
            fitting = _speeds(place, way, painting, sizes)
            found += fitting
            too_large += [f"{way.title}, batch {size}" for size in sizes if size not in {each.size for each in fitting}]
            del painting
            yield Speeds(
                title, tuple(found), tuple(too_large), made_of, peak, product, operations, place.on_gpu
            ).table()


def _speeds(place: Place, way: Way, painting: Painting, sizes: Sequence[int]) -> list[Speed]:
    """Of those sizes that the device has memory for, rising."""
    found = []
    # The largest first: graphs of smaller ones then find their memory.
    for size in sorted(sizes, reverse=True):
        with suppress(torch.OutOfMemoryError):
            found.append(_speed(place, way, painting, size))
    return found[::-1]


def _speed(place: Place, way: Way, painting: Painting, size: int) -> Speed:
    forget_peak(place.device)
    ready = painting.ready(place, size)
    amounts = place.amounts
    ms = median_ms(ready.run, place.device, amounts.repetitions, amounts.warm_ups)
    taken = peak_bytes(place.device)
    unet_ms = None
    if isinstance(painting.runner, EagerRunner):
        draw = partial(painting.unet, ready.latents, ready.tokens)
        unet_ms = median_ms(draw, place.device, amounts.repetitions, warm_ups=0)
    return Speed(way, size, ms, unet_ms, taken)
