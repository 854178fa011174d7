"""Frames of several jobs through one device: order, errors, cancelling, and whose time it was."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.drawing.frame_loop import DrawnFrame, FrameLoop, JobFrames
from engine.drawing.model_thread import ModelThread
from engine.lipsync.renderer import Shot
from tests.drawing.easel import SECONDS, Easel, Held, Painting, seen, shot


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    with closing(ModelThread()) as thread:
        yield thread


def drawn(job: JobFrames, numbers: Sequence[int]) -> list[DrawnFrame]:
    return [job.draw(shot(number)) for number in numbers]


def test_five_jobs_at_once_each_get_their_own_pictures_in_order(thread: ModelThread) -> None:
    loop = FrameLoop(Easel(), thread)
    begin = threading.Barrier(5)

    def run(numbers: range) -> list[int]:
        shown, underway = list[int](), deque[DrawnFrame]()
        begin.wait(SECONDS)
        with loop.job() as job:
            for number in numbers:
                underway.append(job.draw(shot(number)))
                if len(underway) == 6:
                    shown.append(seen(underway.popleft()))
            return [*shown, *map(seen, underway)]

    every = [range(50 * number, 50 * number + 50) for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(run, every)) == [list(numbers) for numbers in every]


def test_the_device_has_its_next_batch_before_anyone_waits_for_the_last(thread: ModelThread) -> None:
    easel = Easel()
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        with Held(thread):
            frames = drawn(job, range(10))
        assert [seen(frame) for frame in frames] == list(range(10))
    assert easel.events == [
        "begin [0, 1, 2, 3]",
        "begin [4, 5, 6, 7]",
        "wait [0, 1, 2, 3]",
        # Two are fewer than the four that run: they would have gone on collecting meanwhile.
        "wait [4, 5, 6, 7]",
        "begin [8, 9]",
        "wait [8, 9]",
    ]


def test_jobs_share_a_batch(thread: ModelThread) -> None:
    easel = Easel()
    loop = FrameLoop(easel, thread)
    with loop.job() as first, loop.job() as second:
        with Held(thread):
            frames = [*drawn(first, [1, 2]), *drawn(second, [11, 12])]
        assert [seen(frame) for frame in frames] == [1, 2, 11, 12]
    assert easel.events[0] == "begin [1, 11, 2, 12]"


def test_a_cancelled_job_leaves_when_nothing_of_it_is_in_flight_and_the_others_go_on(thread: ModelThread) -> None:
    easel = Easel(batch_sizes=(2,))
    loop = FrameLoop(easel, thread)
    left = threading.Event()
    easel.ready.clear()

    def cancelled() -> list[DrawnFrame]:
        with loop.job() as job:
            with Held(thread):
                frames = [*drawn(job, [1]), *drawn(other, [11]), *drawn(job, [2, 3, 4])]
            assert easel.waits.wait(SECONDS)
        left.set()
        return frames

    with loop.job() as other, ThreadPoolExecutor(1) as pool:
        leaving = pool.submit(cancelled)
        assert easel.waits.wait(SECONDS)
        # [1, 11] is at the device with [2, 3] behind it, and 4 is dropped.
        assert not left.wait(0.1)
        more = drawn(other, [12, 13])
        easel.ready.set()
        mine, theirs, *rest = leaving.result(SECONDS)
        assert [seen(frame) for frame in (theirs, *more)] == [11, 12, 13]
        for frame in (mine, *rest):
            with pytest.raises(Cancelled):
                frame.wait(CancelToken())
    assert [event for event in easel.events if event.startswith("begin")][:2] == ["begin [1, 11]", "begin [2, 3]"]
    assert not any("4" in event for event in easel.events)


def test_whoever_waits_for_a_picture_is_released_by_the_token(thread: ModelThread) -> None:
    easel = Easel()
    loop = FrameLoop(easel, thread)
    easel.ready.clear()
    cancel = CancelToken()
    with loop.job() as job:
        frame = job.draw(shot(1))
        assert easel.waits.wait(SECONDS)
        cancel.cancel()
        with pytest.raises(Cancelled):
            frame.wait(cancel)
        easel.ready.set()


def test_a_job_that_has_left_draws_nothing_more(thread: ModelThread) -> None:
    easel = Easel()
    loop = FrameLoop(easel, thread)
    with loop.job() as job:
        pass
    with pytest.raises(Cancelled):
        job.draw(shot(1)).wait(CancelToken())
    assert easel.events == []


def refuse_seven(numbers: Sequence[int]) -> None:
    if 7 in numbers:
        raise ValueError("no sevens")


@pytest.mark.parametrize("easel", [Easel(at_begin=refuse_seven), Easel(at_wait=refuse_seven)], ids=["begin", "wait"])
def test_an_error_reaches_the_shots_of_its_batch_alone(thread: ModelThread, easel: Easel) -> None:
    loop = FrameLoop(easel, thread)
    with loop.job() as job, loop.job() as other:
        with Held(thread):
            frames = [*drawn(job, [1, 2, 3, 4, 5, 6, 7, 8]), *drawn(other, [11, 12, 13, 14])]
        # 1 11 2 12 | 3 13 4 14 | 5 6 7 8
        for frame in frames[4:8]:
            with pytest.raises(ValueError, match="no sevens"):
                frame.wait(CancelToken())
        assert [seen(frame) for frame in (*frames[:4], *frames[8:])] == [1, 2, 3, 4, 11, 12, 13, 14]
        assert seen(other.draw(shot(15))) == 15
    assert not loop.worn


class Forgetful(Easel):
    def begin(self, shots: Sequence[Shot]) -> Painting:
        return Painting(self, [])


def test_a_renderer_that_loses_pictures_fails_the_batch(thread: ModelThread) -> None:
    easel = Forgetful()
    loop = FrameLoop(easel, thread)
    with loop.job() as job, pytest.raises(ValueError, match="zip"):
        job.draw(shot(1)).wait(CancelToken())


def test_errands_get_their_turn_while_frames_are_queued_without_end(thread: ModelThread) -> None:
    loop = FrameLoop(Easel(), thread)
    enough = threading.Event()

    def flood() -> int:
        underway = deque[DrawnFrame]()
        with loop.job() as job:
            for number in itertools.count():
                underway.append(job.draw(shot(number % 256)))
                if enough.is_set():
                    return number
                if len(underway) == 40:
                    underway.popleft().wait(CancelToken())
        raise AssertionError

    with ThreadPoolExecutor(2) as pool:
        floods = [pool.submit(flood) for _ in range(2)]
        assert [thread.run(partial(int, turn)) for turn in range(20)] == list(range(20))
        enough.set()
        assert all(each.result(SECONDS) for each in floods)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, numbers: Sequence[int]) -> None:
        """A batch takes a second, and a quarter for each shot."""
        self.now += 1 + 0.25 * len(numbers)


def test_the_device_s_time_is_shared_out_by_shots(thread: ModelThread) -> None:
    clock = Clock()
    easel = Easel(at_wait=clock.work)
    loop = FrameLoop(easel, thread, clock)
    with loop.job() as first, loop.job() as second:
        with Held(thread):
            frames = [*drawn(first, [1]), *drawn(second, [11, 12, 13, 14])]
        for frame in frames:
            frame.wait(CancelToken())
        # 1 11 12 13 takes 2 s and 14 takes 1.25 s; nothing is charged while the device is at nothing.
        assert (first.device_seconds, second.device_seconds) == (0.5, 1.5 + 1.25)
        clock.now += 50
        seen(first.draw(shot(2)))
        assert (first.device_seconds, second.device_seconds) == (1.75, 2.75)


def test_time_that_two_batches_are_at_the_device_is_charged_once(thread: ModelThread) -> None:
    clock = Clock()
    easel = Easel(at_wait=clock.work)
    loop = FrameLoop(easel, thread, clock)
    with loop.job() as job:
        with Held(thread):
            frames = drawn(job, range(12))
        for frame in frames:
            frame.wait(CancelToken())
        assert easel.events[:3] == ["begin [0, 1, 2, 3]", "begin [4, 5, 6, 7]", "wait [0, 1, 2, 3]"]
        assert job.device_seconds == clock.now - 100
