"""How far pictures are from others that should be the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.video.i420 import Bytes


@dataclass(frozen=True)
class Bound:
    """``mean``: of the absolute differences, in levels of 255, has to be below it. ``psnr``: at least so many dB."""

    mean: float
    psnr: float

    def __str__(self) -> str:
        return f"below {self.mean:g} and at least {self.psnr:g} dB"


@dataclass(frozen=True)
class Difference:
    """Of several pictures. mean: of the absolute differences, in levels. worst_mean, worst_psnr: of one picture."""

    mean: float
    worst_mean: float
    worst_psnr: float

    @classmethod
    def between(cls, pictures: Bytes, right: Bytes) -> Difference:
        """Of uint8 pictures (N, H, W, 3), one by one."""
        apart = pictures.astype(np.float64) - right
        means = np.abs(apart).mean(axis=(1, 2, 3))
        return cls(float(means.mean()), float(means.max()), psnr(float((apart**2).mean(axis=(1, 2, 3)).max())))

    def within(self, bound: Bound) -> bool:
        """Whether every single picture is."""
        return self.worst_mean < bound.mean and self.worst_psnr >= bound.psnr


def psnr(squared: float) -> float:
    """The peak signal-to-noise ratio, in dB, of a mean squared difference in levels of 255; infinite for none."""
    return float("inf") if squared == 0 else float(10 * np.log10(255**2 / squared))
