"""Part ``profile``: where the time of the largest batch goes, and how much of it the GPU has nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.profiler import ProfilerActivity, profile

from bench.device_clock import settle, taken_bytes
from bench.drawing_stage import DrawingStage, drawing_stage
from bench.gpu_place import Place, gigabytes
from bench.machine import NO_GPU
from bench.synthetic_avatar import SyntheticAvatar, swelling_hum, there_and_back
from bench.table import Table
from bench.trace import DeviceTrace, Kernel
from engine.cancel import CancelToken
from engine.lipsync.renderer import Drawing, Shot
from engine.stages import batched

SHOWN = 15
NAME_LENGTH = 90


def measure(place: Place) -> Iterator[Table]:
    with drawing_stage(place) as stage, TemporaryDirectory() as folder:
        frames = stage.loop.batch_sizes[-1] * place.amounts.traced
        shots = _shots(stage, SyntheticAvatar.of(place.amounts.size), frames)
        works = {
            "the largest batches, one after another": lambda: stage.thread.run(lambda: _drawn(stage, shots)),
            "the same frames as a job of the frame loop": lambda: _looped(stage, shots),
        }
        traces = {name: _traced(place, work, Path(folder) / "trace.json") for name, work in works.items()}
        taken = taken_bytes(place.device)
    yield _spans(place, traces, frames, taken)
    yield _kernels(place, next(iter(traces.values())), frames)


def _shots(stage: DrawingStage, avatar: SyntheticAvatar, frames: int) -> list[Shot]:
    listener = stage.loop.listen(live=False)
    features = [*listener.push(swelling_hum(frames)), *listener.finish()]
    places = zip(there_and_back(len(avatar.frames)), features, strict=False)
    return [Shot(avatar.frames[index], index, avatar.track, feature) for index, feature in places]


def _drawn(stage: DrawingStage, shots: Sequence[Shot]) -> None:
    """Batches as the frame loop gives them to the device: each begun before the one before is waited for."""
    before: Drawing | None = None
    for batch in batched(shots, stage.loop.batch_sizes[-1]):
        begun = stage.lipsync.begin(batch)
        if before is not None:
            before.wait()
        before = begun
    if before is not None:
        before.wait()


def _looped(stage: DrawingStage, shots: Sequence[Shot]) -> None:
    """All queued at once, and every picture finished."""
    cancel = CancelToken()
    with stage.loop.job() as job:
        for drawn in [job.draw(shot) for shot in shots]:
            drawn.wait(cancel)()


def _traced(place: Place, work: Callable[[], object], path: Path) -> DeviceTrace:
    """The second time that ``work`` is done."""
    work()
    settle(place.device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if place.on_gpu else [])]
    with profile(activities=activities, acc_events=True) as profiler:
        work()
        settle(place.device)
    profiler.export_chrome_trace(str(path))
    return DeviceTrace.read(path)


def _spans(place: Place, traces: dict[str, DeviceTrace], frames: int, taken: int | None) -> Table:
    def row(name: str, trace: DeviceTrace) -> tuple[str, ...]:
        if not place.on_gpu:
            return (name, *[NO_GPU] * 5)
        spans = (f"{trace.span_ms:.1f}", f"{frames / trace.span_ms * 1000:.1f}", f"{100 * trace.idle:.1f} %")
        return (name, *spans, f"{trace.to_device / frames / 1e3:.1f}", f"{trace.to_host / frames / 1e3:.1f}")

    return Table(
        title="What the GPU does while frames are drawn",
        columns=("", "ms from first to last", "frames/s", "idle", "kB a frame to the GPU", "kB a frame to the host"),
        rows=tuple(row(name, trace) for name, trace in traces.items()),
        notes=(
            f"{frames} frames in batches of the largest size, under torch's profiler, which slows them down.",
            f"GB of VRAM taken in all, the driver's part too: {gigabytes(taken)}.",
        ),
    )


def _kernels(place: Place, trace: DeviceTrace, frames: int) -> Table:
    def row(kernel: Kernel) -> tuple[str, ...]:
        name = kernel.name[:NAME_LENGTH].replace("|", "/")
        return (f"`{name}`", str(kernel.runs), f"{kernel.ms / frames:.4f}", f"{100 * kernel.share:.1f} %")

    rows = tuple(row(kernel) for kernel in trace.kernels[:SHOWN]) if place.on_gpu else ((NO_GPU, "", "", ""),)
    rest = sum(kernel.share for kernel in trace.kernels[SHOWN:])
    return Table(
        title="Where the GPU's time goes in the largest batch",
        columns=("kernel", "runs", "ms a frame", "share"),
        rows=rows,
        notes=(f"{len(trace.kernels)} kernels; those that aren't shown: {100 * rest:.1f} %.",),
    )
