"""FFmpeg plays the stored stream: while it grows, when it is complete, and from a private bucket."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from engine.cancel import Cancelled, CancelToken
from engine.store.local import LocalStore
from engine.store.s3 import S3Store
from engine.streams.layout import StreamState
from engine.streams.writer import streaming
from tests.servers.endpoint import S3Endpoint
from tests.streams.film import Film, packets, shown
from tests.streams.test_writer import failing, stream
from tests.streams.watched_store import state_of


@pytest.fixture(params=["moto", "radosgw"])
def bucket(request: pytest.FixtureRequest) -> S3Store:
    server: S3Endpoint = request.getfixturevalue(request.param)
    return S3Store(server.settings())


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_the_playlist_plays_the_packets_of_the_finished_video(tmp_path: Path, six_seconds: Film) -> None:
    store = LocalStore(tmp_path)
    stream(store, six_seconds)
    told = state_of(store, "job")
    assert told is not None
    assert told.hls_url is not None
    assert packets(told.hls_url) == packets(six_seconds.path)
    assert shown(told.hls_url) == [number / 25 for number in range(148)]


def test_a_player_begins_while_the_video_is_made_and_misses_nothing(tmp_path: Path, six_seconds: Film) -> None:
    store = LocalStore(tmp_path)
    begun = threading.Event()
    played: list[Any] = []
    with streaming(store, "job", "run", CancelToken()) as writer:
        for piece in six_seconds.pieces[:27]:
            writer.write(piece)
        while not (told := state_of(store, "job")) or len(told.segments) < 3:
            pass
        player = threading.Thread(target=lambda: played.append(packets(told.hls_url or "", begun.set)))
        player.start()
        assert begun.wait(20)
        for piece in six_seconds.pieces[27:]:
            writer.write(piece)
        writer.finish()
    player.join(20)
    assert played == [packets(six_seconds.path)]


def test_the_addresses_alone_are_enough_where_the_bucket_is_private(bucket: S3Store, six_seconds: Film) -> None:
    with streaming(bucket, "job", "run", CancelToken()) as writer:
        addresses = writer.addresses
        for piece in six_seconds.pieces:
            writer.write(piece)
        writer.finish()
    told = StreamState.model_validate_json(fetched(addresses["stream_url"]))
    assert told.init_url is not None
    urls = [told.init_url, *(segment.url for segment in told.segments)]
    assert b"".join(fetched(url) for url in urls) == six_seconds.whole
    assert told.hls_url == addresses["hls_url"]
    assert packets(addresses["hls_url"]) == packets(six_seconds.path)


def test_a_private_bucket_shows_the_stream_to_nobody_else(radosgw: S3Endpoint, six_seconds: Film) -> None:
    store = S3Store(radosgw.settings())
    stream(store, six_seconds)
    found = store.get("streams/job/stream.json")
    assert found is not None
    told = StreamState.model_validate_json(found.body)
    for url in (told.hls_url, told.init_url, told.segments[0].url):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetched((url or "").split("?")[0])


def test_a_bucket_keeps_nothing_of_a_stream_that_failed(bucket: S3Store, six_seconds: Film) -> None:
    with failing(Cancelled), streaming(bucket, "job", "run", CancelToken()) as writer:
        for piece in six_seconds.pieces:
            writer.write(piece)
        raise Cancelled
    assert [item.key for item in bucket.list("streams/")] == ["streams/job/stream.json"]
