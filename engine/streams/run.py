"""What one run of a job has stored of its stream."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from engine.store.protocol import ObjectStore
from engine.streams.layout import (
    MEDIA_TYPE,
    PLAYLIST_TYPE,
    RunKeys,
    Segment,
    StreamState,
    state_key,
    stream_folder,
)
from engine.streams.playlist import playlist
from engine.streams.segments import CutSegment, SegmentCutter

log = logging.getLogger(__name__)


class StreamRun:
    """Writes the stream in the order that engine/streams/layout.py promises; for one thread at a time.

    ``stream.json`` changes by compare-and-set, and the run that began last has it: a run that finds another one's
    there, or none any more, removes what it had stored and writes no more. Every method raises what the store raises.

    requests: how often the store was written to.
    """

    def __init__(self, store: ObjectStore, keys: RunKeys) -> None:
        self._store = store
        self._keys = keys
        self._cutter = SegmentCutter()
        self._state = StreamState(run=keys.run, state="running", hls_url=store.url(keys.playlist))
        self._etag: str | None = None
        self._superseded = False
        self._parts = 0
        self._has_init = False
        self.requests = 0

    @property
    def addresses(self) -> dict[str, str]:
        """Where the stream is followed by plain HTTP, for the job's progress."""
        assert self._state.hls_url is not None
        return {"stream_url": self._store.url(state_key(self._keys.stream_id)), "hls_url": self._state.hls_url}

    def begin(self) -> None:
        """Say that this run makes the stream, and remove what another run has left of it."""
        self._put_playlist(ended=False)
        others = False
        while self._etag is None:
            others = self._take_over() or others
        if others:
            self._remove_others()

    def append(self, pieces: Sequence[bytes]) -> None:
        """Store the next pieces of the video, the init segment first, and the fragments among them as one part."""
        if self._superseded or not pieces:
            return
        if not self._has_init:
            self._put(self._keys.init, pieces[0], MEDIA_TYPE)
            self._has_init = True
            pieces = pieces[1:]
        if pieces:
            self._put(self._keys.part(self._parts), b"".join(pieces), MEDIA_TYPE)
            self._parts += 1
        ended = [segment for piece in pieces for segment in self._cutter.push(piece)]
        if ended:
            self._add(ended)
            self._tell(self._state)

    def done(self) -> None:
        """The video is complete."""
        if self._superseded:
            return
        self._add(self._cutter.finish(), ended=True)
        self._tell(self._state.model_copy(update={"state": "done", "parts": self._parts}))

    def failed(self) -> None:
        """Nothing more will come: say so, and remove what there is."""
        if self._etag is not None and not self._superseded:
            self._tell(StreamState(run=self._keys.run, state="failed"))
        self._remove_own()

    def _take_over(self) -> bool:
        """Whether another run's state was there, which this one's has replaced, unless it changed meanwhile."""
        key, body = state_key(self._keys.stream_id), self._body(self._state)
        found = self._store.get(key)
        self.requests += 1
        if found is None:
            written = self._store.put_if_absent(key, body, "application/json")
        else:
            written = self._store.put_if_match(key, body, found.info.etag, "application/json")
        self._etag = None if written is None else written.etag
        return found is not None

    def _add(self, cut: Sequence[CutSegment], *, ended: bool = False) -> None:
        """Store segments, and the playlist with them in it."""
        segments = list(self._state.segments)
        for segment in cut:
            key = self._keys.segment(len(segments))
            self._put(key, segment.data, MEDIA_TYPE)
            segments.append(Segment(seconds=segment.seconds, url=self._store.url(key)))
        init_url = self._state.init_url or self._store.url(self._keys.init)
        self._state = self._state.model_copy(update={"segments": tuple(segments), "init_url": init_url})
        self._put_playlist(ended=ended)

    def _put_playlist(self, *, ended: bool) -> None:
        body = playlist(self._state.init_url, self._state.segments, ended=ended)
        self._put(self._keys.playlist, body.encode(), PLAYLIST_TYPE)

    def _tell(self, state: StreamState) -> None:
        """Write ``stream.json``, unless it has become another run's."""
        assert self._etag is not None
        self.requests += 1
        key = state_key(self._keys.stream_id)
        written = self._store.put_if_match(key, self._body(state), self._etag, "application/json")
        if written is None:
            log.warning("The stream has been taken over by another run of its job, or deleted.")
            self._superseded = True
            self._remove_own()
        else:
            self._etag = written.etag

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        self.requests += 1
        self._store.put(key, body, content_type)

    def _remove_others(self) -> None:
        for item in list(self._store.list(stream_folder(self._keys.stream_id))):
            if item.key != state_key(self._keys.stream_id) and not item.key.startswith(self._keys.folder):
                self._store.delete(item.key)

    def _remove_own(self) -> None:
        for item in list(self._store.list(self._keys.folder)):
            self._store.delete(item.key)

    @staticmethod
    def _body(state: StreamState) -> bytes:
        return state.model_dump_json(exclude_none=True).encode()
