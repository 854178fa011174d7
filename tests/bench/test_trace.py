"""What is read out of a profiler's trace, and a trace that the profiler really wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from bench.trace import DeviceTrace


def ran(category: str, name: str, start: float, length: float, **args: int) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "ts": start, "dur": length, "args": args}


EVENTS = [
    ran("kernel", "convolution", 3000, 1000),
    ran("gpu_memcpy", "Memcpy HtoD (Pinned -> Device)", 1000, 500, bytes=400),
    ran("kernel", "convolution", 1000, 1000),
    ran("kernel", "norm", 3500, 1500),
    ran("gpu_memcpy", "Memcpy DtoH (Device -> Pinned)", 9000, 1000, bytes=70),
    ran("cpu_op", "aten::conv2d", 0, 90_000),
    {"ph": "i", "cat": "kernel", "name": "no span"},
]


def test_time_in_which_several_things_ran_counts_once() -> None:
    trace = DeviceTrace.of(EVENTS)
    # 1-2, 3-5 and 9-10 ms of 1-10 ms.
    assert (trace.span_ms, trace.busy_ms) == (9.0, 4.0)
    assert trace.idle == pytest.approx(5 / 9)


def test_bytes_are_told_apart_by_their_way() -> None:
    trace = DeviceTrace.of(EVENTS)
    assert (trace.to_device, trace.to_host) == (400, 70)


def test_the_longest_kernel_comes_first_with_all_its_runs() -> None:
    first, second, *_ = DeviceTrace.of(EVENTS).kernels
    assert (first.name, first.runs, first.ms, first.share) == ("convolution", 2, 2.0, 0.4)
    assert (second.name, second.ms) == ("norm", 1.5)


def test_a_trace_of_a_cpu_has_nothing_of_a_gpu(tmp_path: Path) -> None:
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        torch.ones(3).sum()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = DeviceTrace.read(tmp_path / "trace.json")
    assert (trace.span_ms, trace.idle, trace.kernels) == (0.0, 0.0, ())
