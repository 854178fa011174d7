"""The tests that every object store passes. A store's own file makes a subclass and its ``open_store`` fixture."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.store.protocol import ObjectStore
from tests.store import racers
from tests.store.racers import OpenStore, race, stall

LARGE = 20_000_003


class PieceStream(io.BytesIO):
    """``size`` bytes of a repeating pattern, a few at a time however many are asked for."""

    def __init__(self, size: int, fail_at: int | None = None) -> None:
        super().__init__()
        self._left = size
        self._fail_at = fail_at
        self.digest = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        if self._fail_at is not None and self._left <= self._fail_at:
            raise ConnectionResetError("the caller went away")
        piece = bytes(range(251)) * 2000
        piece = piece[: min(self._left, size or self._left)]
        self._left -= len(piece)
        self.digest.update(piece)
        return piece


class StoreContract:
    """Subclasses give the fixture ``open_store``: a callable, picklable, that opens one and the same empty store."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> ObjectStore:
        return open_store()

    def test_what_is_put_is_got(self, store: ObjectStore) -> None:
        info = store.put("a/b.json", b"hello", "application/json")
        found = store.get("a/b.json")
        assert found is not None
        assert (found.body, found.info.key, found.info.size) == (b"hello", "a/b.json", 5)
        assert found.info.etag == info.etag
        assert '"' not in info.etag
        assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)
        assert abs(info.modified - found.info.modified) < timedelta(seconds=5)

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.put("empty", b"")
        found = store.get("empty")
        assert found is not None
        assert found.body == b""
        assert store.get_range("empty", 0, 10) == b""

    def test_what_is_absent_is_none(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put("a", b"1")
        for key in ("b", "a/b", "c/d/e"):
            assert store.get(key) is None
            assert store.head(key) is None
            assert store.get_range(key, 0, 1) is None
            assert store.get_range(key, 0, 0) is None
            assert store.download(key, tmp_path / "copy") is None
        assert not (tmp_path / "copy").exists()

    def test_a_second_put_replaces(self, store: ObjectStore) -> None:
        first = store.put("a", b"one")
        second = store.put("a", b"two")
        assert first.etag != second.etag
        assert [info.etag for info in store.list("")] == [second.etag]

    def test_the_etag_is_the_same_wherever_it_is_asked_for(self, store: ObjectStore, tmp_path: Path) -> None:
        put = store.put("a/b", b"one")
        head, got, copied = store.head("a/b"), store.get("a/b"), store.download("a/b", tmp_path / "copy")
        assert head is not None
        assert got is not None
        assert copied is not None
        assert {put.etag, head.etag, got.info.etag, copied.etag, *(i.etag for i in store.list("a"))} == {put.etag}

    def test_put_if_absent_leaves_what_is_there(self, store: ObjectStore) -> None:
        info = store.put_if_absent("a", b"one")
        assert info is not None
        assert store.put_if_absent("a", b"two") is None
        assert store.put_if_absent("a", b"one") is None
        found = store.get("a")
        assert found is not None
        assert (found.body, found.info.etag) == (b"one", info.etag)

    def test_put_if_match_replaces_only_what_was_read(self, store: ObjectStore) -> None:
        first = store.put("a", b"one")
        second = store.put_if_match("a", b"two", first.etag)
        assert second is not None
        assert store.put_if_match("a", b"three", first.etag) is None
        found = store.get("a")
        assert found is not None
        assert (found.body, found.info.etag) == (b"two", second.etag)

    def test_put_if_match_makes_nothing(self, store: ObjectStore) -> None:
        info = store.put("a", b"one")
        store.delete("a")
        assert store.put_if_match("a", b"two", info.etag) is None
        assert store.put_if_match("b/c", b"two", info.etag) is None
        assert list(store.list("")) == []

    def test_a_deleted_object_is_gone(self, store: ObjectStore) -> None:
        store.put("a/b/c", b"1")
        store.put("a/d", b"2")
        store.delete("a/b/c")
        store.delete("a/b/c")
        store.delete("never/was")
        assert store.get("a/b/c") is None
        assert [info.key for info in store.list("")] == ["a/d"]
        assert store.put_if_absent("a/b/c", b"3") is not None

    def test_the_list_is_in_order_of_keys(self, store: ObjectStore) -> None:
        keys = ["a-1/x", "a.b", "a/1", "a/1.5", "a/10", "a/B", "a/b/c", "a0", "b/a", "B"]
        for key in reversed(keys):
            store.put(key, key.encode())
        assert [info.key for info in store.list("")] == sorted(keys)
        assert [info.key for info in store.list("a/")] == ["a/1", "a/1.5", "a/10", "a/B", "a/b/c"]
        assert [info.key for info in store.list("a/1")] == ["a/1", "a/1.5", "a/10"]
        assert [info.key for info in store.list("a")] == [key for key in sorted(keys) if key.startswith("a")]
        assert [info.size for info in store.list("a/b/c")] == [5]
        assert list(store.list("z/")) == []
        assert list(store.list("a/1/")) == []

    def test_a_list_goes_on_after_a_key_and_ends_at_its_limit(self, store: ObjectStore) -> None:
        for key in ("a/1", "a/1.5", "a/10", "a/b/c", "a/d", "b"):
            store.put(key, b"")
        assert [info.key for info in store.list("a/", after="a/1.5")] == ["a/10", "a/b/c", "a/d"]
        assert [info.key for info in store.list("a/", after="a/1.2", limit=2)] == ["a/1.5", "a/10"]
        assert [info.key for info in store.list("a/", limit=1)] == ["a/1"]
        assert [info.key for info in store.list("a/", after="a/a", limit=9)] == ["a/b/c", "a/d"]
        assert list(store.list("a/", after="a/d", limit=3)) == []
        assert len(list(store.list("", limit=6))) == 6

    def test_a_copy_is_an_object_of_its_own(self, store: ObjectStore) -> None:
        assert store.copy("from/a", "to/a") is None
        assert store.head("to/a") is None
        store.put("to/a", b"older")
        store.put("from/a", b"one")
        copied = store.copy("from/a", "to/a")
        assert copied is not None
        assert (copied.key, copied.size) == ("to/a", 3)
        store.put("from/a", b"another")
        found = store.get("to/a")
        assert found is not None
        assert (found.body, found.info.etag) == (b"one", copied.etag)

    def test_ranges_end_where_the_object_ends(self, store: ObjectStore) -> None:
        store.put("a", b"0123456789")
        assert store.get_range("a", 0, 4) == b"0123"
        assert store.get_range("a", 8, 100) == b"89"
        assert store.get_range("a", 10, 5) == b""
        assert store.get_range("a", 1000, 5) == b""
        assert store.get_range("a", 3, 0) == b""
        with pytest.raises(ValueError, match="no range"):
            store.get_range("a", -1, 5)

    def test_a_long_stream_goes_in_and_out(self, store: ObjectStore, tmp_path: Path) -> None:
        source = PieceStream(LARGE)
        info = store.upload("big/one.bin", source)
        assert info.size == LARGE
        target = tmp_path / "copy"
        target.write_bytes(b"older")
        copied = store.download("big/one.bin", target)
        assert copied is not None
        assert (copied.etag, copied.size) == (info.etag, LARGE)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == source.digest.hexdigest()
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]
        assert store.get_range("big/one.bin", LARGE - 2, 10) == target.read_bytes()[-2:]

    @pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1])
    def test_a_stream_of_any_length_is_whole(self, store: ObjectStore, size: int) -> None:
        assert store.upload("a", io.BytesIO(b"x" * size)).size == size
        head = store.head("a")
        assert head is not None
        assert head.size == size

    def test_a_stream_that_breaks_leaves_what_was_there(self, store: ObjectStore) -> None:
        store.put("a", b"older")
        for key in ("a", "b"):
            with pytest.raises(ConnectionResetError, match="went away"):
                store.upload(key, PieceStream(LARGE, fail_at=1_000_000))
        assert [(info.key, info.size) for info in store.list("")] == [("a", 5)]

    def test_a_killed_writer_leaves_nothing(self, store: ObjectStore, open_store: OpenStore, tmp_path: Path) -> None:
        writer = stall(open_store, "big/two.bin", tmp_path / "told")
        assert list(store.list("")) == []
        writer.kill()
        writer.join()
        assert store.head("big/two.bin") is None
        assert list(store.list("")) == []
        assert store.put_if_absent("big/two.bin", b"1") is not None

    def test_one_process_of_several_creates(self, open_store: OpenStore) -> None:
        assert sorted(race(open_store, racers.create_once)) == [False, False, False, True]

    def test_each_of_many_keys_is_created_once(self, open_store: OpenStore) -> None:
        made = [turn for turns in race(open_store, racers.create_many) for turn in turns]
        assert sorted(made) == list(range(20))

    def test_processes_lose_no_change(self, store: ObjectStore, open_store: OpenStore) -> None:
        store.put("race/count", b"0")
        race(open_store, racers.count_up)
        found = store.get("race/count")
        assert found is not None
        assert found.body == b"40"

    def test_no_reader_sees_half_an_object(self, open_store: OpenStore) -> None:
        assert list(race(open_store, racers.rewrite, 3)) == [0, 0, 0]

    def test_one_thread_of_many_creates(self, store: ObjectStore) -> None:
        with ThreadPoolExecutor(16) as threads:
            made = list(threads.map(lambda n: store.put_if_absent("a", str(n).encode()), range(16)))
        winners = [number for number, info in enumerate(made) if info is not None]
        found = store.get("a")
        assert found is not None
        assert [str(winner).encode() for winner in winners] == [found.body]

    @pytest.mark.parametrize("key", ["", "/a", "../a", "a/../../b", "a//b", "a\0", "a b", "."])
    def test_no_key_climbs_out(self, store: ObjectStore, key: str, tmp_path: Path) -> None:
        for act in (
            lambda: store.put(key, b""),
            lambda: store.put_if_absent(key, b""),
            lambda: store.put_if_match(key, b"", "0"),
            lambda: store.upload(key, io.BytesIO()),
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: store.download(key, tmp_path / "copy"),
            lambda: store.head(key),
            lambda: store.delete(key),
            lambda: store.copy(key, "a"),
            lambda: store.copy("a", key),
            lambda: store.url(key),
        ):
            with pytest.raises(ValueError, match="not a key"):
                act()
        with pytest.raises(ValueError, match="not the beginning"):
            list(store.list("../"))
