"""A web server for weight files whose faults a test chooses."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.weights_manifest import DirectFile, HubFile, WeightFile
from tests.wire_server import Asked, head

REVISION = "a" * 40


def body_of(name: str, size: int = 200_000) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size)


def weight_of(path: str, sources: Sequence[HubFile | DirectFile] = (), size: int = 200_000) -> WeightFile:
    """A file whose bytes follow from its path, by default in the repository ``owner/models``."""
    body = body_of(path, size)
    hub = HubFile(repo="owner/models", revision=REVISION, file=path)
    sha256 = hashlib.sha256(body).hexdigest()
    return WeightFile(path=path, bytes=size, sha256=sha256, sources=tuple(sources) or (hub,))


def path_of(asked: Asked) -> str:
    return asked.path.partition(f"/resolve/{REVISION}/")[2] or asked.path.lstrip("/")


def sizes(*cuts: int | None) -> Iterator[int | None]:
    yield from cuts
    while True:
        yield None


@dataclass
class FileSource:
    """Serves each path's own bytes with ranges; ``cuts`` says after how many bytes each answer breaks off."""

    cuts: Iterator[int | None]
    etag: str | None = '"v1"'
    ranges: bool = True

    def __call__(self, connection: socket.socket, asked: Asked) -> None:
        body = body_of(path_of(asked))
        start = self._start(asked)
        tag = {"ETag": self.etag} if self.etag is not None else {}
        if start:
            where = f"bytes {start}-{len(body) - 1}/{len(body)}"
            answer = head(206, Content_Length=len(body) - start, Content_Range=where, **tag)
        else:
            answer = head(200, Content_Length=len(body), **tag)
        connection.sendall(answer + body[start:][: next(self.cuts)])

    def _start(self, asked: Asked) -> int:
        fresh = asked.headers.get("if-range") in (None, self.etag)
        if not self.ranges or not fresh or "range" not in asked.headers:
            return 0
        return int(asked.headers["range"].removeprefix("bytes=").removesuffix("-"))
