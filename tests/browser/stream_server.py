"""A server on loopback that makes a video anew for every request and sends it while it is being made.

It answers with chunked video/mp4 of no stated length.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.timebase import FRAME_RATE, PLAYED_PER_FRAME
from engine.video.encode import EncoderSettings, Mp4Writer, Samples
from engine.video.i420 import I420

FRAMES = 100
WIDTH, HEIGHT = 280, 240
BITS = 7

_PAGES = Path(__file__).parent / "pages"
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript"}


class StreamServer(ThreadingHTTPServer):
    """``pace`` is how many seconds of video are made in a second; ``made`` is when the last video was finished."""

    daemon_threads = True

    def __init__(self, pace: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pace = pace
        self.made: float | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(pace: float) -> Iterator[StreamServer]:
    with StreamServer(pace) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StreamServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = _PAGES / self.path.removeprefix("/")
        if self.path == "/stream":
            self._stream()
        elif page.parent == _PAGES and page.is_file():
            self._page(page)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _page(self, page: Path) -> None:
        body = page.read_bytes()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES[page.suffix])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._film()
        except ConnectionError:
            self.close_connection = True

    def _film(self) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), fragments=self._send_chunk) as writer:
                for number in _paced(self.server.pace):
                    writer.write_frame(numbered(number))
                    writer.write_sound(hum(number))
        self.server.made = time.time()
        self._send_chunk(b"")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _paced(pace: float) -> Iterator[int]:
    began = time.monotonic()
    for number in range(FRAMES):
        time.sleep(max(0.0, began + number / FRAME_RATE / pace - time.monotonic()))
        yield number


def numbered(number: int) -> I420:
    """A picture that carries its number as a row of bright and dark fields, the lowest bit first."""
    picture = I420.blank(WIDTH, HEIGHT)
    picture.packed[:] = 128
    field = WIDTH // BITS
    for bit in range(BITS):
        picture.y[: HEIGHT // 6, bit * field : (bit + 1) * field] = 235 if number >> bit & 1 else 16
    picture.y[HEIGHT // 2 :, 2 * number : 2 * number + 40] = 200
    return picture


def hum(number: int) -> Samples:
    """The sound of one frame, which goes on where the last one's ended."""
    at = np.arange(number * PLAYED_PER_FRAME, (number + 1) * PLAYED_PER_FRAME)
    return (6000 * np.sin(at * 2 * np.pi * 200 / 48_000)).astype(np.int16)
