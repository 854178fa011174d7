"""A film handed to the writer, and what its followers find in the store at every moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.outages import StorageUnavailable
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore
from engine.streams.layout import RunKeys, StreamState
from engine.streams.run import StreamRun
from engine.streams.writer import PIECES_AHEAD, StreamWriter, streaming
from tests.streams.film import Film
from tests.streams.watched_store import FailingStore, SlowStore, WatchedStore, keys_under, state_of

KEYS = RunKeys("job", "run-1")


def stream(store: ObjectStore, film: Film, run: str = KEYS.run) -> int:
    """The film streamed whole; how often the store was written to."""
    with streaming(store, KEYS.stream_id, run, CancelToken()) as writer:
        for piece in film.pieces:
            writer.write(piece)
        writer.finish()
        return writer.requests


def parts_of(store: LocalStore, keys: RunKeys = KEYS) -> list[bytes]:
    return bodies(store, [key for key in keys_under(store, keys.folder) if "/part-" in key])


def bodies(store: LocalStore, keys: list[str]) -> list[bytes]:
    found = [store.get(key) for key in keys]
    return [item.body for item in found if item is not None]


def state(store: LocalStore) -> StreamState:
    found = state_of(store, KEYS.stream_id)
    assert found is not None
    return found


@contextmanager
def failing(error: type[BaseException]) -> Iterator[None]:
    with pytest.raises(error):
        yield


def test_parts_and_segments_are_each_the_whole_video(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    stream(store, six_seconds)
    told = state(store)
    assert (told.run, told.state, told.parts) == (KEYS.run, "done", len(parts_of(store)))
    assert [segment.seconds for segment in told.segments] == [1.0, 2.0, 2.0, 0.92]
    init = store.get(KEYS.init)
    assert init is not None
    assert init.body + b"".join(parts_of(store)) == six_seconds.whole
    assert told.init_url is not None
    urls = [told.init_url, *(segment.url for segment in told.segments)]
    assert b"".join(Path(url).read_bytes() for url in urls) == six_seconds.whole


def test_followers_find_all_that_is_listed_at_every_moment(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    stream(store, six_seconds)
    counts = [len(seen.segments) for seen in store.seen]
    assert counts == sorted(counts)
    assert counts[-1] == 4
    assert {seen.state for seen in store.seen[:-1]} == {"running"}
    assert all((seen.parts is None) == (seen.state == "running") for seen in store.seen)


def test_it_can_be_followed_before_the_first_piece(tmp_path: Path) -> None:
    store = WatchedStore(tmp_path)
    with failing(Cancelled), streaming(store, "job", "run-1", CancelToken()) as writer:
        assert state(store) == StreamState(run="run-1", state="running", hls_url=store.url(KEYS.playlist))
        assert writer.addresses == {"stream_url": store.url("streams/job/stream.json"), "hls_url": state(store).hls_url}
        assert Path(writer.addresses["hls_url"]).read_text().startswith("#EXTM3U")
        raise Cancelled


def test_requests_are_counted(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    assert stream(store, six_seconds) == len(store.writes)


def test_what_waits_for_a_slow_store_becomes_one_part(tmp_path: Path, six_seconds: Film) -> None:
    store = SlowStore(tmp_path)
    with streaming(store, "job", "run-1", CancelToken()) as writer:
        for piece in six_seconds.pieces:
            writer.write(piece)
        store.gate.set()
        writer.finish()
    assert len(six_seconds.pieces) == 31
    assert len(parts_of(store)) <= 2
    assert state(store).parts == len(parts_of(store))
    assert b"".join(parts_of(store)) == b"".join(six_seconds.pieces[1:])
    assert [segment.seconds for segment in state(store).segments] == [1.0, 2.0, 2.0, 0.92]


def test_the_encoder_is_held_back_at_the_bound_and_nothing_is_lost(tmp_path: Path, six_seconds: Film) -> None:
    store = SlowStore(tmp_path)
    pieces = [six_seconds.pieces[0], *six_seconds.pieces[1:] * 5]
    taken = []

    def write(writer: StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            taken.append(piece)

    with streaming(store, "job", "run-1", CancelToken()) as writer:
        encoder = threading.Thread(target=write, args=(writer,))
        encoder.start()
        encoder.join(1)
        assert encoder.is_alive()
        assert len(taken) <= 2 * PIECES_AHEAD
        store.gate.set()
        encoder.join()
        writer.finish()
    assert b"".join(parts_of(store)) == b"".join(pieces[1:])


def test_who_is_held_back_is_freed_by_a_cancellation(tmp_path: Path, six_seconds: Film) -> None:
    store, cancel = SlowStore(tmp_path), CancelToken()
    ended = threading.Event()

    def write(writer: StreamWriter) -> None:
        with failing(Cancelled):
            for _ in range(9):
                for piece in six_seconds.pieces:
                    writer.write(piece)
        ended.set()

    with failing(Cancelled), streaming(store, "job", "run-1", cancel) as writer:
        encoder = threading.Thread(target=write, args=(writer,))
        encoder.start()
        cancel.cancel()
        assert ended.wait(10)
        encoder.join()
        store.gate.set()
        cancel.check()
    assert keys_under(store) == ["streams/job/stream.json"]


@pytest.mark.parametrize("pieces", [0, 1, 2, 14, 31])
def test_a_stream_that_ends_early_leaves_nothing_but_that_word(tmp_path: Path, six_seconds: Film, pieces: int) -> None:
    store = WatchedStore(tmp_path)
    with failing(Cancelled), streaming(store, "job", "run-1", CancelToken()) as writer:
        for piece in six_seconds.pieces[:pieces]:
            writer.write(piece)
        raise Cancelled
    assert keys_under(store) == ["streams/job/stream.json"]
    assert state(store) == StreamState(run="run-1", state="failed")


def test_a_job_that_fails_after_its_last_fragment_takes_the_stream_along(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    with failing(StorageUnavailable), streaming(store, "job", "run-1", CancelToken()) as writer:
        for piece in six_seconds.pieces:
            writer.write(piece)
        writer.finish()
        assert state(store).state == "done"
        raise StorageUnavailable("The object store doesn't answer.")
    assert keys_under(store) == ["streams/job/stream.json"]
    assert state(store).state == "failed"


@pytest.mark.parametrize("part", ["init.mp4", "part-00000", "segment-00001", "index.m3u8"])
def test_a_store_that_fails_ends_the_video(tmp_path: Path, six_seconds: Film, part: str) -> None:
    store = FailingStore(tmp_path, part)
    with failing(StorageUnavailable):
        stream(store, six_seconds)
    assert set(keys_under(store)) <= {"streams/job/stream.json"}


def test_its_error_comes_with_the_next_fragment(tmp_path: Path, six_seconds: Film) -> None:
    store = FailingStore(tmp_path, "init.mp4")
    with failing(StorageUnavailable), streaming(store, "job", "run-1", CancelToken()) as writer:
        while True:
            writer.write(six_seconds.pieces[1])


def test_what_cannot_be_removed_is_logged_and_the_first_error_told(
    tmp_path: Path, six_seconds: Film, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingStore(tmp_path, "segment-00000", for_good=True)
    with caplog.at_level(logging.WARNING), failing(StorageUnavailable):
        stream(store, six_seconds)
    assert "could not be removed" in caplog.text


def test_another_run_removes_what_a_dead_one_left(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    dead = StreamRun(store, KEYS)
    dead.begin()
    dead.append(six_seconds.pieces[:14])
    stream(store, six_seconds, "run-2")
    assert state(store).run == "run-2"
    assert state(store).state == "done"
    assert keys_under(store, KEYS.folder) == []


def test_a_run_that_wakes_up_late_leaves_its_successors_stream_alone(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    late = StreamRun(store, KEYS)
    late.begin()
    stream(store, six_seconds, "run-2")
    before = keys_under(store)
    for piece in six_seconds.pieces:
        late.append([piece])
    late.done()
    assert keys_under(store) == before
    assert state(store).run == "run-2"


def test_a_stream_that_was_deleted_is_not_written_anew(tmp_path: Path, six_seconds: Film) -> None:
    store = LocalStore(tmp_path)
    with streaming(store, "job", "run-1", CancelToken()) as writer:
        for key in keys_under(store):
            store.delete(key)
        for piece in six_seconds.pieces:
            writer.write(piece)
        writer.finish()
    assert keys_under(store) == []


def test_a_stream_that_failed_can_be_begun_again(tmp_path: Path, six_seconds: Film) -> None:
    store = WatchedStore(tmp_path)
    with failing(Cancelled), streaming(store, "job", "run-1", CancelToken()):
        raise Cancelled
    stream(store, six_seconds, "run-2")
    assert (state(store).run, state(store).state) == ("run-2", "done")
