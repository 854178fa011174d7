"""A viewer of a stream over HTTP, in a thread: notes when each fragment came."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import suppress

from bench.viewer import Arrival, Watched, watch
from engine.timebase import FRAME_RATE
from engine.video.fragments import FRAMES_PER_FRAGMENT

_FRAGMENT = b"moof"
_PIECE_BYTES = 1 << 16

PREBUFFER = 0.5


class Watching:
    """A stream of the session, until it ends or is left. ``came``: when its fragments did, by ``time.perf_counter``."""

    def __init__(self, host: str, port: int, session_id: str, text: str) -> None:
        self.came: list[float] = []
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._body = json.dumps({"session_id": session_id, "text": text})
        self._left = threading.Event()
        self._asked = time.perf_counter()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def wait_for_fragment(self) -> None:
        end = time.perf_counter() + 60
        while not self.came:
            if time.perf_counter() > end or not self._thread.is_alive():
                raise RuntimeError("the stream did not begin")
            time.sleep(0.01)

    def frame_rate(self, begin: float, end: float) -> float:
        """Frames a second that came between the two times."""
        return sum(begin <= at < end for at in self.came) * FRAMES_PER_FRAGMENT / (end - begin)

    def watched(self, end: float) -> Watched:
        """How it was to watch until then, for a viewer who waits until PREBUFFER seconds of it are there."""
        came = [at for at in self.came if at < end]
        return watch([Arrival(at - self._asked, FRAMES_PER_FRAGMENT / FRAME_RATE) for at in came], PREBUFFER)

    def leave(self) -> None:
        """Hear no more, which cancels the job."""
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        self._connection.request(
            "POST", "/api/v1/generate/text-to-video-stream", self._body, {"Content-Type": "application/json"}
        )
        answer = self._connection.getresponse()
        before = b""
        with suppress(OSError, http.client.HTTPException):
            while not self._left.is_set() and (piece := answer.read1(_PIECE_BYTES)):
                seen = before + piece
                self.came.extend([time.perf_counter()] * seen.count(_FRAGMENT))
                before = seen[-len(_FRAGMENT) + 1 :]
        self._connection.close()
