"""A server on loopback that speaks ElevenLabs' ``stream/with-timestamps`` and lists, well or badly as a test says.

In a test::

    with ElevenLabsServer() as server:
        server.script(Behaviour.SERVER_ERROR)    # the first request; the rest are good
        ...                                      # ELEVENLABS_BASE_URL=server.base_url
        server.requests                          # what was asked

As a process: ``python -m tests.servers.elevenlabs`` prints its address and serves until its standard input ends.
"""

from __future__ import annotations

import base64
import json
import re
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tests.servers.elevenlabs_account import Account
from tests.servers.elevenlabs_refusals import REFUSALS, older
from tests.servers.elevenlabs_refusals import Behaviour as Behaviour

CHARACTER_SECONDS = 0.06
CHARACTERS_A_LINE = 24
_PATH = re.compile(r"/v1/text-to-speech/([^/]+)/stream/with-timestamps")


@dataclass(frozen=True)
class Asked:
    """One request as it arrived, its key included."""

    voice_id: str
    output_format: str
    key: str | None
    body: dict[str, Any]
    monotonic: float


def sound_of(text: str, rate: int) -> bytes:
    """What the server says for a text: a tone that goes on at full strength to both ends, 60 ms a character."""
    count = round(len(text) * CHARACTER_SECONDS * rate)
    wave = 9_000 * np.cos(2 * np.pi * 300 * np.arange(count) / rate)
    return bytes(np.rint(wave).astype("<i2").tobytes())


def lines_of(text: str, rate: int) -> Iterator[dict[str, Any]]:
    """The lines of a good reply; times count from the beginning of the whole reply."""
    pcm = sound_of(text, rate)
    for first in range(0, len(text), CHARACTERS_A_LINE):
        characters = list(text[first : first + CHARACTERS_A_LINE])
        begin, end = (2 * round(at * CHARACTER_SECONDS * rate) for at in (first, first + len(characters)))
        starts = [round((first + index) * CHARACTER_SECONDS, 3) for index in range(len(characters))]
        alignment = {
            "characters": characters,
            "character_start_times_seconds": starts,
            "character_end_times_seconds": [round(start + CHARACTER_SECONDS, 3) for start in starts],
        }
        yield {
            "audio_base64": base64.b64encode(pcm[begin:end]).decode(),
            "alignment": alignment,
            "normalized_alignment": None,
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        match = _PATH.fullmatch(url.path)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if match is None:
            self._refuse(*REFUSALS[Behaviour.UNKNOWN_PATH])
            return
        output_format = parse_qs(url.query).get("output_format", ["mp3_44100_128"])[0]
        asked = Asked(unquote(match[1]), output_format, self.headers["xi-api-key"], body, time.monotonic())
        with self.server.board.serving(asked) as behaviour:
            self._answer(behaviour, asked)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self.server.board.listing(url.path, self.headers["xi-api-key"]) as behaviour:
            if behaviour in REFUSALS:
                self._refuse(*REFUSALS[behaviour])
            elif behaviour is Behaviour.HANG:
                self._goes_on(never=True)
            else:
                status, body = self.server.board.account.reply(url.path, asked)
                self._refuse(status, json.dumps(body), "application/json")

    def _answer(self, behaviour: Behaviour, asked: Asked) -> None:
        if behaviour is Behaviour.ECHOED_KEY:
            self._refuse(400, older("invalid_parameters", f"The key {asked.key} cannot\n do {'so ' * 200}"))
        elif behaviour in REFUSALS:
            self._refuse(*REFUSALS[behaviour])
        elif behaviour is Behaviour.HANG:
            self._goes_on(never=True)
        elif behaviour is Behaviour.CUT_AT_ONCE:
            self.close_connection = True
        else:
            self._stream(behaviour, [*lines_of(asked.body["text"], int(asked.output_format.removeprefix("pcm_")))])

    def _refuse(self, status: int, body: dict[str, Any] | str, content_type: str | None = None) -> None:
        sent = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-type", content_type or ("text/html" if isinstance(body, str) else "application/json"))
        self.send_header("content-length", str(len(sent)))
        self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(sent)

    def _stream(self, behaviour: Behaviour, lines: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        size = 97 if behaviour is Behaviour.SMALL_WRITES else 100_000
        for index, line in enumerate(_spoilt(behaviour, lines)):
            if index == 1 and behaviour is Behaviour.STALL:
                self._goes_on(never=True)
                return
            if behaviour is Behaviour.ON_COMMAND and not self._goes_on():
                return
            if index == 1 and behaviour is Behaviour.CUT_MID_STREAM:
                self.close_connection = True
                return
            time.sleep(0.05 if behaviour is Behaviour.SLOW else 0)
            for start in range(0, len(line), size):
                self._chunk(line[start : start + size])
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _goes_on(self, *, never: bool = False) -> bool:
        """Wait for the command to send a line; False where the client hangs up or the server stops first."""
        board = self.server.board
        while not board.stopping.is_set():
            if not never and board.lines.acquire(blocking=False):
                return True
            if select.select([self.connection], [], [], 0.02)[0] and not self.connection.recv(1_024):
                board.hung_up.set()
                break
        self.close_connection = True
        return False

    def log_message(self, format: str, *arguments: object) -> None:
        """A test's output is no access log."""


def _spoilt(behaviour: Behaviour, lines: list[dict[str, Any]]) -> Iterator[bytes]:
    spoil = _SPOILERS.get(behaviour)
    if spoil is not None:
        spoil(lines)
    encoded = [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]
    if behaviour is Behaviour.MALFORMED_LINE:
        encoded[0] = b'{"audio_base64": "AAAA"\n'
    if behaviour is Behaviour.LATE_MALFORMED_LINE:
        encoded[1] = b'{"detail": {"status": "internal_error"}}\n'
    if behaviour is Behaviour.ODD_LINES:
        encoded = [b"\r\n", *(line.replace(b"\n", b"\r\n\n") for line in encoded[:-1]), encoded[-1].rstrip()]
    yield from encoded


def _truncate_base64(lines: list[dict[str, Any]]) -> None:
    lines[0]["audio_base64"] = lines[0]["audio_base64"][:-3]


def _unequal(lines: list[dict[str, Any]]) -> None:
    lines[0]["alignment"]["character_end_times_seconds"].pop()


def _odd(lines: list[dict[str, Any]]) -> None:
    last = base64.b64decode(lines[-1]["audio_base64"])
    lines[-1]["audio_base64"] = base64.b64encode(last[:-1]).decode()


def _without_sound(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        line["audio_base64"] = None


def _delay_times(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        for name in ("character_start_times_seconds", "character_end_times_seconds"):
            line["alignment"][name] = [time * 1.2 for time in line["alignment"][name]]


def _cut_within_samples(lines: list[dict[str, Any]]) -> None:
    """Sound cut within samples, a line without times, a line without sound, and a raw U+2028 in a string."""
    pcm = b"".join(base64.b64decode(line["audio_base64"]) for line in lines)
    timed = [line | {"audio_base64": "", "note": "\u2028"} for line in lines]
    parts = [pcm[start : start + 1_001] for start in range(0, len(pcm), 1_001)]
    lines[:] = timed + [{"audio_base64": base64.b64encode(part).decode(), "alignment": None} for part in parts]


_SPOILERS: dict[Behaviour, Callable[[list[dict[str, Any]]], None]] = {
    Behaviour.TRUNCATED_BASE64: _truncate_base64,
    Behaviour.UNEQUAL_ALIGNMENT: _unequal,
    Behaviour.ODD_PCM: _odd,
    Behaviour.NO_SOUND: _without_sound,
    Behaviour.LATE_TIMES: _delay_times,
    Behaviour.ODD_LINES: _cut_within_samples,
}


class _Serving:
    """One request being served: counts it while it lasts."""

    def __init__(self, board: _Board, asked: Asked) -> None:
        self._board = board
        self._asked = asked

    def __enter__(self) -> Behaviour:
        return self._board.begin(self._asked)

    def __exit__(self, *_: object) -> None:
        self._board.end()


class _Board:
    """What the handlers' threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self.hung_up = threading.Event()
        self.lines = threading.Semaphore(0)
        self.script: deque[Behaviour] = deque()
        self.requests: list[Asked] = []
        self.list_script: deque[Behaviour] = deque()
        self.listings: list[str] = []
        self.account = Account()
        self.at_once = 0
        self.most_at_once = 0

    def serving(self, asked: Asked) -> _Serving:
        return _Serving(self, asked)

    def begin(self, asked: Asked) -> Behaviour:
        with self._lock:
            self.requests.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.script.popleft() if self.script else Behaviour.GOOD

    def end(self) -> None:
        with self._lock:
            self.at_once -= 1

    @contextmanager
    def listing(self, path: str, key: str | None) -> Iterator[Behaviour]:
        """A request for a list: one without a key is refused."""
        with self._lock:
            self.listings.append(path)
            scripted = self.list_script.popleft() if self.list_script else Behaviour.GOOD
        yield scripted if key else Behaviour.INVALID_KEY


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.board = _Board()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up in the middle of a reply is what some tests are about."""
        if isinstance(sys.exception(), ConnectionError):
            self.board.hung_up.set()


class ElevenLabsServer:
    """The running server, as a context manager."""

    def __init__(self) -> None:
        self._server = _HttpServer()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Asked]:
        return self._server.board.requests

    @property
    def listings(self) -> list[str]:
        """The paths of the lists that were asked for."""
        return self._server.board.listings

    @property
    def account(self) -> Account:
        """What the lists are of; a test may change it."""
        return self._server.board.account

    @property
    def most_at_once(self) -> int:
        return self._server.board.most_at_once

    @property
    def hung_up(self) -> threading.Event:
        """Set when a client closes a connection before its reply has ended."""
        return self._server.board.hung_up

    def script(self, *behaviours: Behaviour) -> None:
        """How the next requests are answered, in order; those after them are good."""
        self._server.board.script.extend(behaviours)

    def forget_script(self) -> None:
        """All requests from now on are answered well."""
        self._server.board.script.clear()

    def script_lists(self, *behaviours: Behaviour) -> None:
        """The same for requests for lists, each of which is answered well, refused, or never."""
        self._server.board.list_script.extend(behaviours)

    def send_lines(self, count: int) -> None:
        """Let so many more lines of ON_COMMAND go out."""
        self._server.board.lines.release(count)

    def __enter__(self) -> ElevenLabsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.board.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def main() -> None:
    """Serve with the behaviours named as arguments, then well."""
    with ElevenLabsServer() as server:
        server.script(*map(Behaviour, sys.argv[1:]))
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
