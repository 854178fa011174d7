"""The one door to boto3: requests about a bucket's objects, each tried until its deadline."""

from __future__ import annotations

from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from engine.clock import Clocks
from engine.store.bucket_settings import BucketSettings
from engine.store.patience import Deadline, Patience, persist
from engine.store.s3_errors import s3_errors

IDLE_SECONDS = 5.0
"""After so long without a request connections are made anew: in a process that was frozen meanwhile, or moved, the old
ones may be dead without a sign, and each would cost a request all the time that it may wait for an answer."""

_CONNECTIONS = 32
_PAGE = 1000


class Bucket:
    """A bucket, or the part of it whose keys begin with a prefix; ``key`` never holds that prefix here.

    Safe to use from several threads. ``clocks`` are its own.
    """

    def __init__(self, settings: BucketSettings, patience: Patience, clocks: Clocks) -> None:
        self.settings = settings
        self.patience = patience
        self._clocks = clocks
        self._looking = Lock()
        with s3_errors():
            self._client = _client(settings, patience)

    def deadline(self) -> Deadline:
        """The end of an operation that begins now."""
        return Deadline(self.patience.operation)

    def transfer_deadline(self) -> Deadline:
        """The end of a large transfer that begins now."""
        return Deadline(self.patience.transfer)

    def once(self, operation: str, key: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one request about an object. Raises the classes of s3_errors and engine.errors."""
        with s3_errors():
            answer: dict[str, Any] = getattr(self._connected(), operation)(
                Bucket=self.settings.name, Key=self.settings.prefix + key, **parameters
            )
        return answer

    def request(self, operation: str, key: str, deadline: Deadline | None = None, **parameters: Any) -> dict[str, Any]:
        """As ``once``, tried until the deadline: the request can be made twice without harm."""
        until = (deadline or self.deadline()).within(self.patience.operation)
        return persist(lambda: self.once(operation, key, **parameters), self.patience, until)

    def page(self, prefix: str, token: str | None, after: str = "", limit: int | None = None) -> dict[str, Any]:
        """One page, of up to ``limit``, of the objects whose keys begin with ``prefix``: after the page that gave
        ``token``, the first one after the key ``after``."""
        parameters: dict[str, Any] = {} if limit is None else {"MaxKeys": min(limit, _PAGE)}
        if token:
            parameters["ContinuationToken"] = token
        elif after:
            parameters["StartAfter"] = self.settings.prefix + after

        def ask() -> dict[str, Any]:
            with s3_errors():
                answer: dict[str, Any] = self._connected().list_objects_v2(
                    Bucket=self.settings.name, Prefix=self.settings.prefix + prefix, **parameters
                )
            return answer

        return persist(ask, self.patience, self.deadline())

    def presign(self, operation: str, key: str, seconds: int | None = None, **parameters: Any) -> str:
        """An address that makes this one request without a secret, for ``seconds`` or what the settings say."""
        parameters |= {"Bucket": self.settings.name, "Key": self.settings.prefix + key}
        expires_in = self.settings.presign_ttl_seconds if seconds is None else seconds
        with s3_errors():
            return str(self._client.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_in))

    def _connected(self) -> Any:
        """The client, none of whose connections has lain unused for IDLE_SECONDS."""
        with self._looking:
            if self._clocks.passed() > IDLE_SECONDS:
                # Requests that are under way keep theirs.
                self._client.close()
        return self._client


def _client(settings: BucketSettings, patience: Patience) -> Any:
    address = settings.address
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": address.style},
        # R2 and older servers refuse the checksum headers that boto3 otherwise adds to every write.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # Attempts are counted here alone: a conditional write that is repeated unseen would seem to have lost.
        retries={"total_max_attempts": 1},
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=address.endpoint_url,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        region_name=settings.signing_region,
        config=config,
    )
