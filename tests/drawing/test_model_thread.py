"""The one thread that the model belongs to."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from engine.drawing.model_thread import ModelThread


@pytest.fixture
def thread() -> Iterator[ModelThread]:
    with closing(ModelThread()) as thread:
        yield thread


def fail() -> None:
    raise ValueError("broken")


def test_every_errand_is_done_in_one_thread_which_is_none_of_its_callers(thread: ModelThread) -> None:
    idents = {thread.run(threading.get_ident) for _ in range(5)}
    assert len(idents) == 1
    assert idents != {threading.get_ident()}


def test_an_error_is_raised_where_the_errand_came_from_and_the_thread_goes_on(thread: ModelThread) -> None:
    with pytest.raises(ValueError, match="broken"):
        thread.run(fail)
    assert isinstance(thread.post(fail).exception(), ValueError)
    assert thread.run(lambda: 1) == 1


def test_errands_are_done_in_the_order_in_which_they_come(thread: ModelThread) -> None:
    done: list[int] = []
    go_on = threading.Event()
    thread.post(lambda: go_on.wait(20))
    for number in range(5):
        thread.post(partial(done.append, number))
    assert done == []
    go_on.set()
    thread.run(lambda: None)
    assert done == [0, 1, 2, 3, 4]


def test_an_errand_s_own_errand_is_done_at_once(thread: ModelThread) -> None:
    assert thread.run(lambda: thread.run(lambda: 7)) == 7


def test_an_errand_sees_what_its_job_has_set(thread: ModelThread) -> None:
    job = contextvars.ContextVar("job", default="nobody's")
    job.set("mine")
    assert thread.run(job.get) == "mine"
    assert thread.post(job.get).result() == "nobody's"


def test_closing_does_what_was_posted() -> None:
    done: list[int] = []
    thread = ModelThread()
    for number in range(3):
        thread.post(partial(done.append, number))
    thread.close()
    assert done == [0, 1, 2]
