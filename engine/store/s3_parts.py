"""Uploading a long stream to S3 in parts, so that it appears whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from engine.errors import EngineError
from engine.outages import StorageUnavailable
from engine.store.bucket import Bucket
from engine.store.patience import Deadline
from engine.store.s3_errors import Absent, UploadGone

PART_BYTES = 8 << 20
WRITE_ID = "write-id"

_ABORT_SECONDS = 10.0


def parts_of(source: BinaryIO) -> Iterator[bytes]:
    """What is left of ``source`` in parts of PART_BYTES, the last one shorter: empty when there is nothing else."""
    while True:
        part = _part(source)
        yield part
        if len(part) < PART_BYTES:
            return


def _part(source: BinaryIO) -> bytes:
    part = bytearray()
    while len(part) < PART_BYTES and (piece := source.read(PART_BYTES - len(part))):
        part += piece
    return bytes(part)


@dataclass(frozen=True)
class Uploaded:
    """A completed upload: its length in bytes and the answer that completed it."""

    size: int
    answer: dict[str, Any]


@dataclass(frozen=True)
class _Upload:
    bucket: Bucket
    key: str
    upload_id: str
    write_id: str
    deadline: Deadline

    def request(self, operation: str, **parameters: Any) -> dict[str, Any]:
        self.deadline.check()
        return self.bucket.request(operation, self.key, self.deadline, UploadId=self.upload_id, **parameters)

    def run(self, parts: Iterable[bytes]) -> Uploaded:
        sent: list[dict[str, Any]] = []
        size = 0
        for part in filter(None, parts):
            sent.append(self.send(len(sent) + 1, part))
            size += len(part)
        return Uploaded(size, self.complete(sent))

    def send(self, number: int, part: bytes) -> dict[str, Any]:
        answer = self.request("upload_part", PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, sent: list[dict[str, Any]]) -> dict[str, Any]:
        """What the store says of the finished object. Ceph's answer to the completion holds no etag, so it is asked."""
        answer = None
        with suppress(UploadGone):
            answer = self.request("complete_multipart_upload", MultipartUpload={"Parts": sent})
        # When the completion's answer was lost the upload is gone, and the object alone can tell that it succeeded.
        finished = self._finished() or answer
        if finished is None:
            raise StorageUnavailable("The object store has lost an upload. Try again.")
        return finished

    def _finished(self) -> dict[str, Any] | None:
        with suppress(Absent):
            found = self.bucket.request("head_object", self.key, self.deadline)
            if found.get("Metadata", {}).get(WRITE_ID) == self.write_id:
                return found
        return None

    def abort(self) -> None:
        with suppress(EngineError, Absent, UploadGone):
            self.bucket.request("abort_multipart_upload", self.key, Deadline(_ABORT_SECONDS), UploadId=self.upload_id)


def upload_parts(bucket: Bucket, key: str, parts: Iterable[bytes], content_type: str) -> Uploaded:
    """Write an object from its parts. Whatever stops the upload, the parts sent so far are given up."""
    deadline = bucket.transfer_deadline()
    write_id = uuid.uuid4().hex
    begun = bucket.request(
        "create_multipart_upload", key, deadline, ContentType=content_type, Metadata={WRITE_ID: write_id}
    )
    upload = _Upload(bucket, key, begun["UploadId"], write_id, deadline)
    with ExitStack() as unless_done:
        unless_done.callback(upload.abort)
        uploaded = upload.run(parts)
        unless_done.pop_all()
    return uploaded
