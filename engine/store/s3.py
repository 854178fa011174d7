"""The object store in an S3 bucket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from engine.clock import Clocks
from engine.errors import ConfigurationError, InternalError
from engine.store.bucket import Bucket
from engine.store.bucket_settings import BucketSettings
from engine.store.disk import disk_errors, whole_file
from engine.store.keys import check_key, check_prefix, check_range, is_key
from engine.store.patience import Deadline, NoAnswer, Patience, persist
from engine.store.protocol import ObjectInfo, StoredObject
from engine.store.s3_copy import Copy, read_body
from engine.store.s3_errors import CONDITIONAL_STORES, Absent, ConditionFailed, PastTheEnd
from engine.store.s3_parts import PART_BYTES, WRITE_ID, parts_of, upload_parts

OCTETS = "application/octet-stream"


class S3Store:
    """An ObjectStore in the bucket that ``settings`` name. Making one asks nothing of the network.

    Beyond what the protocol says every method raises ConfigurationError when the bucket is missing or refuses the key.
    The first conditional write proves that the bucket keeps conditions; call ``prove_conditions`` at start to know it
    then.
    """

    def __init__(
        self, settings: BucketSettings, patience: Patience | None = None, clocks: Clocks | None = None
    ) -> None:
        self._bucket = Bucket(settings, patience or Patience(), clocks or Clocks())
        self._proving = Lock()
        self._etag_form: str | None = None

    def prove_conditions(self) -> None:
        """Make sure that the bucket refuses a second put-if-absent and a stale put-if-match.

        Raises ConfigurationError when it doesn't: records and leases would be lost without a sign.
        """
        with self._proving:
            if self._etag_form is None:
                self._etag_form = self._prove(f"proofs/{uuid.uuid4().hex}")

    def put(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo:
        answer = self._bucket.request("put_object", check_key(key), Body=body, ContentType=content_type)
        return _written(key, len(body), answer)

    def put_if_absent(self, key: str, body: bytes, content_type: str = OCTETS) -> ObjectInfo | None:
        check_key(key)
        self.prove_conditions()
        return self._put_if(key, body, content_type, IfNoneMatch="*")

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = OCTETS) -> ObjectInfo | None:
        check_key(key)
        self.prove_conditions()
        assert self._etag_form is not None
        return self._put_if(key, body, content_type, IfMatch=self._etag_form.format(etag))

    def upload(self, key: str, source: BinaryIO, content_type: str = OCTETS) -> ObjectInfo:
        check_key(key)
        parts = parts_of(source)
        first = next(parts)
        if len(first) < PART_BYTES:
            return self.put(key, first, content_type)
        uploaded = upload_parts(self._bucket, key, chain([first], parts), content_type)
        return _written(key, uploaded.size, uploaded.answer)

    def get(self, key: str) -> StoredObject | None:
        return self._read(check_key(key))

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        check_range(start, length)
        if length == 0:
            return None if self.head(key) is None else b""
        try:
            found = self._read(check_key(key), Range=f"bytes={start}-{start + length - 1}")
        except PastTheEnd:
            return b""
        return None if found is None else found.body

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        check_key(key)
        deadline = self._bucket.transfer_deadline()
        try:
            with disk_errors(), whole_file(target) as file:
                copy = Copy(self._bucket, key, file, deadline)
                return _found(key, persist(copy.go_on, self._bucket.patience, deadline))
        except Absent:
            return None

    def head(self, key: str) -> ObjectInfo | None:
        try:
            return _found(key, self._bucket.request("head_object", check_key(key)))
        except Absent:
            return None

    def list(self, prefix: str, after: str = "", limit: int | None = None) -> Iterator[ObjectInfo]:
        return islice(self._pages(check_prefix(prefix), after, limit), limit)

    def copy(self, source: str, target: str) -> ObjectInfo | None:
        settings = self._bucket.settings
        origin = {"Bucket": settings.name, "Key": settings.prefix + check_key(source)}
        try:
            self._bucket.request("copy_object", check_key(target), CopySource=origin)
        except Absent:
            return None
        return self.head(target)

    def delete(self, key: str) -> None:
        with suppress(Absent):
            self._bucket.request("delete_object", check_key(key))

    def url(self, key: str) -> str:
        """A presigned GET address; the plain one where the bucket has a public base address."""
        settings = self._bucket.settings
        if settings.public_base_url is None:
            return self._bucket.presign("get_object", check_key(key))
        return f"{settings.public_base_url}/{settings.prefix}{check_key(key)}"

    def presign_put(self, key: str, content_type: str, size: int, seconds: int) -> str:
        announced = {"ContentType": content_type, "ContentLength": size}
        return self._bucket.presign("put_object", check_key(key), seconds, **announced)

    def _read(self, key: str, **parameters: str) -> StoredObject | None:
        deadline = self._bucket.deadline()

        def attempt() -> StoredObject:
            body = bytearray()
            answer = self._bucket.once("get_object", key, **parameters)
            read_body(answer, body.extend, deadline)
            return StoredObject(bytes(body), _found(key, answer))

        try:
            return persist(attempt, self._bucket.patience, deadline)
        except Absent:
            return None

    def _pages(self, prefix: str, after: str, limit: int | None) -> Iterator[ObjectInfo]:
        token = None
        while True:
            page = self._bucket.page(prefix, token, after, limit)
            yield from self._listed(page)
            token = page.get("NextContinuationToken")
            if not token:
                return

    def _listed(self, page: dict[str, Any]) -> Iterator[ObjectInfo]:
        for entry in page.get("Contents", []):
            key = entry["Key"].removeprefix(self._bucket.settings.prefix)
            if is_key(key):
                yield ObjectInfo(key, entry["Size"], _bare(entry["ETag"]), entry["LastModified"].astimezone(UTC))

    def _put_if(self, key: str, body: bytes, content_type: str, **condition: str) -> ObjectInfo | None:
        """Write under a condition.

        When an attempt's answer was lost and the next attempt fails the condition, the object's own ``write-id`` says
        whether the lost attempt was the one that changed it.
        """
        write_id = uuid.uuid4().hex
        attempts = 0

        def attempt() -> dict[str, Any]:
            nonlocal attempts
            attempts += 1
            return self._bucket.once(
                "put_object", key, Body=body, ContentType=content_type, Metadata={WRITE_ID: write_id}, **condition
            )

        deadline = self._bucket.deadline()
        try:
            return _written(key, len(body), persist(attempt, self._bucket.patience, deadline))
        except (ConditionFailed, Absent):
            return self._written_before(key, write_id, deadline) if attempts > 1 else None

    def _written_before(self, key: str, write_id: str, deadline: Deadline) -> ObjectInfo | None:
        with suppress(Absent):
            answer = self._bucket.request("head_object", key, deadline)
            if answer.get("Metadata", {}).get(WRITE_ID) == write_id:
                return _found(key, answer)
        return None

    def _prove(self, key: str) -> str:
        """The form of etags. What is left on a server that went away goes by its age: it is not waited for twice."""
        try:
            form = self._proven_form(key)
        except ConfigurationError:
            self._remove_proof(key)
            raise
        self._remove_proof(key)
        return form

    def _remove_proof(self, key: str) -> None:
        with suppress(NoAnswer):
            self.delete(key)

    def _proven_form(self, key: str) -> str:
        try:
            first = self._put_if(key, b"first", OCTETS, IfNoneMatch="*")
            if first is None or self._put_if(key, b"second", OCTETS, IfNoneMatch="*") is not None:
                raise _unconditional("a second put-if-absent")
            return self._matching_form(key, first.etag)
        except InternalError as error:
            raise _unconditional("every write whose condition fails") from error

    def _matching_form(self, key: str, etag: str) -> str:
        """How an etag has to be written for If-Match: with quotes as the standard has it, or without as Ceph's."""
        for form in ('"{}"', "{}"):
            if self._put_if(key, b"third", OCTETS, IfMatch=form.format(etag)) is not None:
                if self._put_if(key, b"fourth", OCTETS, IfMatch=form.format(etag)) is not None:
                    raise _unconditional("a stale put-if-match")
                return form
        raise _unconditional("a put-if-match only when it is stale")


def _unconditional(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The bucket does not refuse {what}, and the service's records need that. {CONDITIONAL_STORES} do."
    )


def _bare(etag: str) -> str:
    return etag.strip('"')


def _written(key: str, size: int, answer: dict[str, Any]) -> ObjectInfo:
    return ObjectInfo(key, size, _bare(answer["ETag"]), _moment(answer))


def _moment(answer: dict[str, Any]) -> datetime:
    """When a write was answered: S3 tells the object's own time only when the object is read."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def _found(key: str, answer: dict[str, Any]) -> ObjectInfo:
    modified: datetime = answer["LastModified"]
    return ObjectInfo(key, answer["ContentLength"], _bare(answer["ETag"]), modified.astimezone(UTC))
