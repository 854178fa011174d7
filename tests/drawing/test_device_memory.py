"""The device's memory runs out: once the loop draws fewer at once, and after that the worker is worn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.drawing.frame_loop import FrameLoop, JobFrames
from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import DeviceBroken, DeviceMemoryExhausted
from engine.outages import DeviceFailed, DeviceMemoryFull
from tests.drawing.easel import SECONDS, Easel, Fault, Held, seen, shot


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    with closing(ModelThread()) as thread:
        yield thread


def more_than(most: int) -> Fault:
    def fault(numbers: Sequence[int]) -> None:
        if len(numbers) > most:
            raise DeviceMemoryExhausted

    return fault


def with_number(number: int, times: int = 1000) -> Fault:
    """The memory runs out so many times over the batch that ``number`` is in."""
    left = iter(range(times))

    def fault(numbers: Sequence[int]) -> None:
        if number in numbers and next(left, None) is not None:
            raise DeviceMemoryExhausted

    return fault


def begun(easel: Easel) -> list[str]:
    return [event.removeprefix("begin ") for event in easel.events if event.startswith("begin")]


@pytest.mark.parametrize("make", [lambda fault: Easel(at_begin=fault), lambda fault: Easel(at_wait=fault)])
def test_the_same_shots_are_drawn_again_in_halves_and_so_are_all_later_ones(
    thread: ModelThread, make: Callable[[Fault], Easel]
) -> None:
    easel = make(more_than(2))
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        with Held(thread):
            frames = [job.draw(shot(number)) for number in range(9)]
        assert [seen(frame) for frame in frames] == list(range(9))
        assert seen(job.draw(shot(9))) == 9
    assert begun(easel)[-6:] == ["[0, 1]", "[2, 3]", "[4, 5]", "[6, 7]", "[8]", "[9]"]
    assert easel.relieved == 1
    assert not loop.worn


def test_with_two_batches_at_the_device_both_are_settled_before_memory_is_given_back(thread: ModelThread) -> None:
    """The first runs out when it is waited for, with the second begun: only the first is drawn again."""
    easel = Easel(at_wait=with_number(0, times=1))
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        with Held(thread):
            frames = [job.draw(shot(number)) for number in range(8)]
        assert [seen(frame) for frame in frames] == list(range(8))
    assert easel.events[:5] == [
        "begin [0, 1, 2, 3]",
        "begin [4, 5, 6, 7]",
        "wait [0, 1, 2, 3]",
        "wait [4, 5, 6, 7]",
        "relieve",
    ]
    assert begun(easel)[2:] == ["[0, 1]", "[2, 3]"]


def test_memory_that_runs_out_for_both_batches_at_once_counts_once(thread: ModelThread) -> None:
    easel = Easel(at_begin=with_number(4, times=1), at_wait=with_number(0, times=1))
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        with Held(thread):
            frames = [job.draw(shot(number)) for number in range(8)]
        assert [seen(frame) for frame in frames] == list(range(8))
    assert begun(easel)[2:] == ["[0, 1]", "[2, 3]", "[4, 5]", "[6, 7]"]
    assert easel.relieved == 1
    assert not loop.worn


def test_half_is_of_the_larger_batch_that_the_device_was_at(thread: ModelThread) -> None:
    """A single frame that finds no memory beside four is not what is too much."""
    easel = Easel(at_wait=with_number(0, times=1))
    loop = FrameLoop(easel, thread)
    between = Held(thread)
    with loop.job() as job, ExitStack() as after_the_first_step:
        with Held(thread):
            frames = [job.draw(shot(0))]
            after_the_first_step.enter_context(between)
        assert between.holds.wait(SECONDS)
        frames += [job.draw(shot(number)) for number in (1, 2, 3, 4)]
        after_the_first_step.close()
        assert [seen(frame) for frame in frames] == [0, 1, 2, 3, 4]
        with Held(thread):
            frames = [job.draw(shot(number)) for number in (5, 6, 7, 8)]
        assert [seen(frame) for frame in frames] == [5, 6, 7, 8]
    assert begun(easel) == ["[0]", "[1, 2, 3, 4]", "[0]", "[5, 6]", "[7, 8]"]


def test_a_single_frame_gets_its_second_try_too(thread: ModelThread) -> None:
    easel = Easel(at_begin=with_number(1, times=1))
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        assert seen(job.draw(shot(1))) == 1
    assert begun(easel) == ["[1]", "[1]"]


def test_the_second_time_the_batch_s_jobs_fail_and_the_others_go_on(thread: ModelThread) -> None:
    easel = Easel(batch_sizes=(1,), at_begin=with_number(1))
    loop = FrameLoop(easel, thread)
    with loop.job() as job, loop.job() as other:
        with Held(thread):
            frames = [job.draw(shot(number)) for number in (1, 2, 3)]
            others = [other.draw(shot(number)) for number in (11, 12, 13)]
        assert [seen(frame) for frame in others] == [11, 12, 13]
        for frame in (*frames, job.draw(shot(4))):
            with pytest.raises(DeviceMemoryFull) as caught:
                frame.wait(CancelToken())
            assert caught.value.retryable
        assert seen(other.draw(shot(14))) == 14
    assert sorted(begun(easel)) == ["[11]", "[12]", "[13]", "[14]", "[1]", "[1]"]
    assert easel.relieved == 2
    assert loop.worn


def test_a_cancelled_job_s_shots_are_not_drawn_again(thread: ModelThread) -> None:
    jobs: list[JobFrames] = []

    def fault(numbers: Sequence[int]) -> None:
        if 1 in numbers:
            while jobs[0].ended is None:
                time.sleep(0.005)
            raise DeviceMemoryExhausted

    easel = Easel(at_wait=fault)
    loop = FrameLoop(easel, thread)
    with loop.job() as other:
        with loop.job() as job:
            jobs.append(job)
            with Held(thread):
                frames = [job.draw(shot(1)), other.draw(shot(11))]
            assert easel.waits.wait(SECONDS)
        assert seen(frames[1]) == 11
        with pytest.raises(Cancelled):
            frames[0].wait(CancelToken())
    assert begun(easel) == ["[1, 11]", "[11]"]


class Unhelpful(Easel):
    def relieve(self) -> None:
        raise RuntimeError("the driver is gone")


def test_a_device_that_can_not_be_relieved_is_worn_at_once(
    thread: ModelThread, caplog: pytest.LogCaptureFixture
) -> None:
    loop = FrameLoop(Unhelpful(at_begin=with_number(1)), thread)
    with loop.job() as job, pytest.raises(DeviceMemoryFull):
        job.draw(shot(1)).wait(CancelToken())
    assert loop.worn
    assert "the driver is gone" in caplog.text


@pytest.mark.parametrize("make", [lambda fault: Easel(at_begin=fault), lambda fault: Easel(at_wait=fault)])
def test_a_device_that_fails_ends_its_batch_s_jobs_and_wears_the_worker(
    thread: ModelThread, make: Callable[[Fault], Easel]
) -> None:
    def fault(numbers: Sequence[int]) -> None:
        raise DeviceBroken("CUDA error: unspecified launch failure")

    easel = make(fault)
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        with Held(thread):
            frames = [job.draw(shot(number)) for number in range(9)]
        for frame in frames:
            with pytest.raises(DeviceFailed) as caught:
                frame.wait(CancelToken())
            assert caught.value.retryable
    assert len(begun(easel)) <= 2
    assert easel.relieved == 0
    assert loop.worn


def test_an_errand_on_a_device_that_fails_wears_the_worker_too(thread: ModelThread) -> None:
    def errand() -> None:
        raise DeviceBroken

    with pytest.raises(DeviceFailed):
        thread.run(errand)
    assert thread.worn
