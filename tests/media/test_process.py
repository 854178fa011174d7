"""The decoding process itself: bounded, killed in time, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import InputError, MediaUnreadable
from engine.media.frames import FrameStream, open_frames
from tests.media.made import MEDIA_LIMITS, film, gray, read


def children() -> set[int]:
    """This process's children, the dead and unburied included."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if state(pid) in (None, "Z"):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(
        tmp_path_factory.mktemp("clip") / "clip.mp4", [gray(60 + number % 100, 640, 480) for number in range(60)]
    )


def test_nothing_stays_behind(clip: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"nothing" * 100)
    before = children(), descriptors()
    for _ in range(2):
        read(clip)
        with pytest.raises(InputError):
            read(damaged)
        with open_frames(clip, MEDIA_LIMITS, CancelToken()) as stream:
            next(iter(stream))
        with pytest.raises(KeyError), open_frames(clip, MEDIA_LIMITS, CancelToken()):
            raise KeyError
    assert (children(), descriptors()) == before


def test_leaving_early_is_no_failure_of_the_process(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other threads keep Python busy, as jobs beside do: of what leaving does, the first takes effect well before the
    rest."""
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            pass

    busy = [threading.Thread(target=spin) for _ in range(8)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(5):
            with open_frames(clip, MEDIA_LIMITS, CancelToken()) as stream:
                next(iter(stream))
    finally:
        done.set()
        for thread in busy:
            thread.join()
    assert caplog.text == ""


def test_the_process_is_confined(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hidden")
    before = children()
    with open_frames(clip, MEDIA_LIMITS, CancelToken()):
        (pid,) = children() - before
        limits = Path(f"/proc/{pid}/limits").read_text()
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        session = os.getsid(pid)
    found = {line[:25].strip(): line[25:].split()[:2] for line in limits.splitlines()}
    assert found["Max address space"] == [str(MEDIA_LIMITS.memory_bytes)] * 2
    assert found["Max cpu time"] == ["61", "61"]
    assert found["Max file size"] == found["Max core file size"] == ["0", "0"]
    assert int(found["Max open files"][0]) <= 32
    assert b"hidden" not in environment
    assert session == pid


def test_a_killed_process_is_an_unreadable_file(clip: Path) -> None:
    before = children()
    with open_frames(clip, MEDIA_LIMITS, CancelToken()) as stream:
        frames = iter(stream)
        next(frames)
        (pid,) = children() - before
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(MediaUnreadable):
            list(frames)
    assert children() == before


def test_a_process_that_falls_silent_is_given_up(clip: Path) -> None:
    before = children()
    with open_frames(clip, replace(MEDIA_LIMITS, decode_seconds=2), CancelToken()) as stream:
        frames = iter(stream)
        next(frames)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(MediaUnreadable, match="too long"):
            list(frames)
        assert time.monotonic() - started < 5
    assert children() == before


def test_a_slow_reader_is_not_the_process_fault(clip: Path) -> None:
    with open_frames(clip, replace(MEDIA_LIMITS, decode_seconds=2), CancelToken()) as stream:
        frames = iter(stream)
        next(frames)
        time.sleep(2.2)
        next(frames)


def test_cancelling_stops_a_reader_that_waits(clip: Path) -> None:
    cancel, before = CancelToken(), children()
    with open_frames(clip, MEDIA_LIMITS, cancel) as stream:
        frames = iter(stream)
        next(frames)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.2, cancel.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            list(frames)
        assert time.monotonic() - started < 3
    assert gone_within(pid, 1)


def test_too_little_memory_is_told_and_hurts_nobody(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", [gray(90, 1280, 720)] * 3)
    with pytest.raises(MediaUnreadable):
        read(path, replace(MEDIA_LIMITS, memory_bytes=1 << 20))
    assert len(read(path)[0]) == 3


def test_when_the_parent_goes_the_process_goes(clip: Path) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from engine.cancel import CancelToken
        from engine.media.frames import open_frames
        from tests.media.made import MEDIA_LIMITS
        with open_frames(Path({str(clip)!r}), MEDIA_LIMITS, CancelToken()) as stream:
            children = Path("/proc/self/task").glob("*/children")
            print(*(pid for file in children for pid in file.read_text().split()), flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert state(pid) not in (None, "Z")
        parent.kill()
        assert gone_within(pid, 3)


def test_the_thread_that_opened_may_end_first(clip: Path) -> None:
    with ExitStack() as stack:
        streams: list[FrameStream] = []
        opener = threading.Thread(
            target=lambda: streams.append(stack.enter_context(open_frames(clip, MEDIA_LIMITS, CancelToken())))
        )
        opener.start()
        opener.join()
        time.sleep(0.2)
        assert len(list(streams[0])) == 60


def test_two_files_at_once_do_not_mix(clip: Path, tmp_path: Path) -> None:
    other = film(tmp_path / "other.mp4", [gray(200)] * 20)
    with (
        open_frames(clip, MEDIA_LIMITS, CancelToken()) as first,
        open_frames(other, MEDIA_LIMITS, CancelToken()) as second,
    ):
        sizes = [(a.width, b.width) for a, b in zip(first, second, strict=False)]
    assert set(sizes) == {(640, 128)}


def memory_peak(path: Path) -> int:
    """The peak resident kilobytes of a fresh process that reads the clip to its end, and of its decoding process."""
    command = [sys.executable, "-c", textwrap.dedent(READ_ALL), str(path)]
    return int(subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2]).stdout)


READ_ALL = """
    import resource, sys
    from pathlib import Path
    from engine.cancel import CancelToken
    from engine.media.frames import open_frames
    from tests.media.made import MEDIA_LIMITS
    with open_frames(Path(sys.argv[1]), MEDIA_LIMITS, CancelToken()) as stream:
        for frame in stream:
            pass
    own, child = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(own.ru_maxrss + child.ru_maxrss)
"""


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    lengths = {seconds: tmp_path / f"{seconds}.mkv" for seconds in (1, 12)}
    for seconds, path in lengths.items():
        film(path, [gray(60 + number % 100, 320, 240) for number in range(25 * seconds)])
    short, long = (memory_peak(path) for path in lengths.values())
    assert long - short < 8_000
