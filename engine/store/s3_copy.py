"""Copying an S3 object into a file, going on where the connection broke."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, BinaryIO

from engine.store.bucket import Bucket
from engine.store.disk import PIECE_BYTES, disk_errors
from engine.store.patience import Deadline, NoAnswer
from engine.store.s3_errors import ConditionFailed, s3_errors


def read_body(answer: dict[str, Any], take: Callable[[bytes], object], deadline: Deadline) -> None:
    """Hand the answer's body to ``take`` piece by piece."""
    with closing(answer["Body"]) as body:
        while piece := _piece(body):
            take(piece)
            deadline.check()


def _piece(body: Any) -> bytes:
    with s3_errors():
        return bytes(body.read(PIECE_BYTES))


class Copy:
    """One object on its way into ``file``."""

    def __init__(self, bucket: Bucket, key: str, file: BinaryIO, deadline: Deadline) -> None:
        self._bucket = bucket
        self._key = key
        self._file = file
        self._deadline = deadline
        self._begun: dict[str, Any] | None = None

    def go_on(self) -> dict[str, Any]:
        """Fetch what is missing; the answer that began the copy. NoAnswer when that broke again: go on once more."""
        if self._begun is not None and self._file.tell() == self._begun["ContentLength"]:
            return self._begun
        try:
            answer = self._bucket.once("get_object", self._key, **self._rest())
        except ConditionFailed as error:
            self._start_anew()
            raise NoAnswer("The object was replaced while it was read. Try again.") from error
        begun = self._begun = self._begun or answer
        read_body(answer, self._write, self._deadline)
        return begun

    def _rest(self) -> dict[str, str]:
        if self._begun is None:
            return {}
        rest = {"IfMatch": self._begun["ETag"]}
        return rest | {"Range": f"bytes={self._file.tell()}-"} if self._file.tell() else rest

    def _start_anew(self) -> None:
        self._begun = None
        with disk_errors():
            self._file.seek(0)
            self._file.truncate()

    def _write(self, piece: bytes) -> None:
        with disk_errors():
            self._file.write(piece)
