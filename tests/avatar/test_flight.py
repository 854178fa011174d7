"""Work that is shared: done once, handed on when its doer is cancelled."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.avatar.flight import SharedWork, StageProgress
from engine.cancel import Cancelled, CancelToken
from engine.errors import NoFace
from engine.outages import StorageFull


def silent(stage: str, share: float) -> None: ...


class Work:
    """Counts how often it is begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.running = threading.Event()
        self.go_on = threading.Event()

    def run(self, progress: StageProgress, cancel: CancelToken) -> str:
        self.begun += 1
        progress("reading", 0.25)
        self.running.set()
        while not self.go_on.wait(0.01):
            cancel.check()
        return f"made by {self.begun}"


def test_those_who_ask_at_the_same_time_share_one_result_and_its_progress() -> None:
    shared, work, cancel, told, heard = SharedWork[str](), Work(), CancelToken(), [], threading.Event()

    def listen(stage: str, share: float) -> None:
        told.append((stage, share))
        heard.set()

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.do, "key", lambda p: work.run(p, cancel), silent, cancel)
        assert work.running.wait(10)
        others = [pool.submit(shared.do, "key", lambda p: work.run(p, cancel), listen, cancel) for _ in range(3)]
        assert heard.wait(10)
        work.go_on.set()
        results = {future.result(10) for future in [first, *others]}
    assert results == {"made by 1"}
    assert set(told) == {("reading", 0.25)}


def test_another_key_is_other_work() -> None:
    shared, work, cancel = SharedWork[str](), Work(), CancelToken()
    work.go_on.set()
    assert shared.do("one", lambda p: work.run(p, cancel), silent, cancel) == "made by 1"
    assert shared.do("two", lambda p: work.run(p, cancel), silent, cancel) == "made by 2"


def test_who_waits_takes_over_when_the_first_is_cancelled() -> None:
    shared, work, first_cancel, cancel, heard = (
        SharedWork[str](),
        Work(),
        CancelToken(),
        CancelToken(),
        threading.Event(),
    )
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.do, "key", lambda p: work.run(p, first_cancel), silent, first_cancel)
        assert work.running.wait(10)
        second = pool.submit(shared.do, "key", lambda p: work.run(p, cancel), lambda *_: heard.set(), cancel)
        assert heard.wait(10)
        first_cancel.cancel()
        with pytest.raises(Cancelled):
            first.result(10)
        work.go_on.set()
        assert second.result(10) == "made by 2"


def test_who_waits_can_be_cancelled_alone() -> None:
    shared, work, cancel, second_cancel = SharedWork[str](), Work(), CancelToken(), CancelToken()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.do, "key", lambda p: work.run(p, cancel), silent, cancel)
        assert work.running.wait(10)
        second = pool.submit(
            shared.do, "key", lambda p: work.run(p, cancel), lambda *_: second_cancel.cancel(), second_cancel
        )
        with pytest.raises(Cancelled):
            second.result(10)
        work.go_on.set()
        assert first.result(10) == "made by 1"


@pytest.mark.parametrize(("error", "begun"), [(NoFace("No face."), 1), (StorageFull("Full."), 2)])
def test_an_error_of_the_input_is_shared_and_one_of_the_machine_is_tried_again(error: Exception, begun: int) -> None:
    shared, work, cancel, heard = SharedWork[str](), Work(), CancelToken(), threading.Event()

    def fail(progress: StageProgress) -> str:
        work.run(progress, cancel)
        raise error

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.do, "key", fail, silent, cancel)
        assert work.running.wait(10)
        second = pool.submit(shared.do, "key", fail, lambda *_: heard.set(), cancel)
        assert heard.wait(10)
        work.go_on.set()
        for future in (first, second):
            with pytest.raises(type(error)):
                future.result(10)
    assert work.begun == begun
