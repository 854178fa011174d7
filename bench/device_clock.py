"""How long a device works, and how much of its memory is taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

import torch


def median_ms(work: Callable[[], object], device: torch.device, repetitions: int, warm_ups: int = 2) -> float:
    """Milliseconds from the start of ``work`` on the device to its end: the middle one of the repetitions."""
    for _ in range(warm_ups):
        work()
    return median(once_ms(work, device) for _ in range(repetitions))


def once_ms(work: Callable[[], object], device: torch.device) -> float:
    """Milliseconds that ``work`` takes, from a device that had nothing else to do until it is done again."""
    settle(device)
    began = time.perf_counter()
    work()
    settle(device)
    return (time.perf_counter() - began) * 1000


def settle(device: torch.device) -> None:
    """Wait for what the device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """Give back what torch holds for later, and begin to look for the peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """The most that torch has held of the device since ``forget_peak``; None on a CPU."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def taken_bytes(device: torch.device) -> int | None:
    """All that is taken of the device's memory now, the driver's own part too; None on a CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free
