"""What a device could do at best: its data sheet's figure, or a matrix product's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from bench.device_clock import median_ms

DATA_SHEETS: dict[str, tuple[float, str]] = {
    "NVIDIA H200": (989.5, "NVIDIA H200 data sheet, SXM"),
    "NVIDIA H200 NVL": (835.5, "NVIDIA H200 data sheet, NVL"),
    "NVIDIA H100 80GB HBM3": (989.5, "NVIDIA H100 data sheet, SXM"),
    "NVIDIA H100 PCIe": (756.5, "NVIDIA H100 data sheet, PCIe"),
    "NVIDIA H100 NVL": (835.5, "NVIDIA H100 data sheet, NVL"),
    "NVIDIA A100-SXM4-80GB": (312.0, "NVIDIA A100 data sheet"),
    "NVIDIA A100-SXM4-40GB": (312.0, "NVIDIA A100 data sheet"),
    "NVIDIA A100 80GB PCIe": (312.0, "NVIDIA A100 data sheet"),
    "NVIDIA A100-PCIE-40GB": (312.0, "NVIDIA A100 data sheet"),
    "NVIDIA L40S": (362.05, "NVIDIA L40S data sheet"),
    "NVIDIA L40": (181.05, "NVIDIA L40 data sheet"),
    "NVIDIA L4": (121.0, "NVIDIA L4 data sheet"),
    "NVIDIA A40": (149.7, "NVIDIA A40 data sheet"),
    "NVIDIA A10": (125.0, "NVIDIA A10 data sheet"),
    "NVIDIA A10G": (70.0, "NVIDIA A10G data sheet"),
    "NVIDIA RTX A6000": (154.8, "NVIDIA RTX A6000 data sheet"),
    "NVIDIA GeForce RTX 4090": (165.2, "NVIDIA Ada GPU architecture paper"),
    "NVIDIA GeForce RTX 3090": (71.0, "NVIDIA Ampere GA102 GPU architecture paper"),
    "Tesla T4": (65.0, "NVIDIA T4 data sheet"),
}
"""By the driver's name: dense half precision on the tensor cores, sums in float32, in TFLOP/s, and where it stands."""
GPU_SIDE, CPU_SIDE = 8192, 2048
"""Sides of the matrices whose product is timed."""


@dataclass(frozen=True)
class Peak:
    """``tflops``: 10^12 floating-point operations a second, a multiplication and an addition being two."""

    tflops: float
    source: str

    def share(self, flops: float, seconds: float) -> float:
        """Which share of the peak so many operations in that time are."""
        return flops / seconds / (self.tflops * 1e12)


def peak_of(device: torch.device, product: Peak) -> Peak:
    """The data sheet's where the device is in the table, else what a matrix ``product`` reached on it."""
    known = DATA_SHEETS.get(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    return Peak(*known) if known else product


def product_peak(device: torch.device, repetitions: int) -> Peak:
    """What a product of two square matrices reaches: half precision on a GPU, single on a CPU."""
    dtype, side = (torch.float16, GPU_SIDE) if device.type == "cuda" else (torch.float32, CPU_SIDE)
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator, device=device, dtype=dtype) for _ in range(2))
    seconds = median_ms(partial(torch.matmul, left, right), device, repetitions) / 1000
    name = str(dtype).removeprefix("torch.")
    return Peak(2 * side**3 / seconds / 1e12, f"a {side} x {side} product of {name} matrices in this run")
