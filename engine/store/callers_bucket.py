"""The bucket that came with a job, for that job's outputs.

Its endpoint is an address that a caller gave, so every request goes through the guard of engine/fetching, which an
S3 client's own HTTP would pass by. All that is asked of the bucket is a presigned PUT, GET or DELETE of one object.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

import httpx

from engine.cancel import CancelToken
from engine.clock import utc_now
from engine.fetching.download import GuardedFetcher
from engine.outages import S3ConfigUnavailable
from engine.store.callers_bucket_answers import Answer, network_told, read_answer
from engine.store.callers_bucket_config import CallersBucketConfig, read_s3_config
from engine.store.disk import disk_errors, pieces_of
from engine.store.patience import Deadline, NoAnswer, Patience, persist
from engine.store.protocol import ObjectInfo
from engine.store.sigv4 import SigningKey, presign

OCTETS = "application/octet-stream"
PATIENCE = Patience(operation=30.0, transfer=900.0, connect=5.0, read=30.0, longest_pause=2.0)
URL_SECONDS = 24 * 3600

_BRIEF_SECONDS = 10.0
_HEADERS = {"User-Agent": "talking-avatar", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class CallersBucket:
    """An OutputStore in the caller's bucket. Making one asks nothing of the network.

    Every method but ``url`` raises S3ConfigInvalid when the endpoint is none that the service connects to,
    S3ConfigRejected when the bucket refuses, S3ConfigUnavailable when it doesn't answer; and all but ``delete``, which
    has to clean up after a cancelled job, Cancelled.

    url_seconds: how long the addresses that ``url`` gives work.
    """

    config: CallersBucketConfig
    fetcher: GuardedFetcher
    cancel: CancelToken
    url_seconds: int = URL_SECONDS
    patience: Patience = PATIENCE
    now: Callable[[], datetime] = utc_now

    @staticmethod
    def parse(config: object) -> CallersBucketConfig:
        """A job's ``s3Config``. Raises S3ConfigInvalid, which names the fields at fault and no value."""
        return read_s3_config(config)

    def holds(self, key: str) -> bool:
        """Whether the object is there, as far as the access key may know.

        Leaves nothing behind: asked before there is an object, it finds a wrong key, bucket or endpoint.
        """
        answer = self._ask(_Question("GET", key, unsigned={"Range": "bytes=0-0"}), self._brief, self.cancel)
        if answer.absent or answer.denied:
            return False
        if answer.status != 416:  # An empty object has no first byte.
            answer.require_done()
        return True

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        return self.upload(key, io.BytesIO(body), content_type)

    def upload(self, key: str, source: BinaryIO, content_type: str = OCTETS) -> ObjectInfo:
        """As the protocol has it. ``source`` has to be seekable; S3 takes up to 5 GB in one piece."""
        rest = _Rest.of(source)
        answer = self._ask(_Question("PUT", key, {"content-type": content_type}, body=rest), self.patience, self.cancel)
        answer.require_done()
        return ObjectInfo(key, rest.size, answer.etag, self.now())

    def delete(self, key: str) -> None:
        answer = self._ask(_Question("DELETE", key), self._brief, CancelToken())
        if not answer.absent:
            answer.require_done()

    def url(self, key: str) -> str:
        """A presigned GET address of the caller's bucket."""
        return self._presign("GET", key, self.url_seconds)

    @property
    def _brief(self) -> Patience:
        patience = self.patience
        return replace(patience, operation=min(patience.operation, _BRIEF_SECONDS), transfer=2 * _BRIEF_SECONDS)

    def _presign(self, method: str, key: str, seconds: float, headers: Mapping[str, str] | None = None) -> str:
        config = self.config
        signing = SigningKey(config.access_id, config.access_secret, config.address.region)
        return presign(method, config.object_url(key), signing, self.now(), int(seconds), headers)

    def _ask(self, question: _Question, patience: Patience, cancel: CancelToken) -> Answer:
        """The bucket's lasting answer, asked for until the patience ends."""
        with closing(self.fetcher.guarded_transport(patience.transfer, cancel)) as transport:
            try:
                deadline = Deadline(patience.operation)
                return persist(lambda: self._once(transport, question, patience), patience, deadline)
            except NoAnswer as error:
                raise S3ConfigUnavailable(error.message) from error

    def _once(self, transport: httpx.BaseTransport, question: _Question, patience: Patience) -> Answer:
        url = self._presign(question.method, question.key, patience.transfer, question.signed)
        request = question.request(url, patience)
        with network_told(request.url.host), closing(transport.handle_request(request)) as response:
            answer = read_answer(response)
        answer.require_lasting()
        return answer


@dataclass(frozen=True)
class _Rest:
    """What is left of a file, to be sent as often as it takes."""

    source: BinaryIO
    start: int
    size: int

    @classmethod
    def of(cls, source: BinaryIO) -> _Rest:
        with disk_errors():
            start = source.tell()
            return cls(source, start, source.seek(0, os.SEEK_END) - start)

    def pieces(self) -> Iterator[bytes]:
        with disk_errors():
            self.source.seek(self.start)
            yield from pieces_of(self.source)


@dataclass(frozen=True)
class _Question:
    """What is asked about one object. The names of ``signed`` headers are in small letters."""

    method: str
    key: str
    signed: Mapping[str, str] | None = None
    unsigned: Mapping[str, str] | None = None
    body: _Rest | None = None

    def request(self, url: str, patience: Patience) -> httpx.Request:
        headers = {**_HEADERS, **(self.signed or {}), **(self.unsigned or {})}
        if self.body is not None:
            headers["Content-Length"] = str(self.body.size)
        timeout = {"connect": patience.connect} | dict.fromkeys(("read", "write", "pool"), patience.read)
        content = None if self.body is None else self.body.pieces()
        return httpx.Request(self.method, url, headers=headers, content=content, extensions={"timeout": timeout})
