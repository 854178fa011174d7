"""A bucket that workers share, as they are told of it and as a test looks into it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.bucket_settings import BucketSettings
from tests.servers.endpoint import S3Endpoint


@dataclass(frozen=True)
class WorkersBucket:
    """A part of a server's bucket that nothing else writes to."""

    server: S3Endpoint
    settings: BucketSettings

    @classmethod
    def on(cls, server: S3Endpoint) -> WorkersBucket:
        return cls(server, server.settings())

    def environment(self, url: str | None = None) -> dict[str, str]:
        """The variables of a worker; ``url`` where it is to reach the server at another address."""
        return {
            "BUCKET_ENDPOINT_URL": url or self.server.url,
            "BUCKET_ACCESS_KEY_ID": self.settings.access_key_id,
            "BUCKET_SECRET_ACCESS_KEY": self.settings.secret_access_key.get_secret_value(),
            "BUCKET_NAME": self.settings.name,
            "BUCKET_PREFIX": self.settings.prefix,
        }

    def stored(self, prefix: str = "") -> dict[str, str]:
        """Every object below ``prefix`` with its etag, by the key that the service knows it by."""
        pages = self.server.client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.settings.name, Prefix=self.settings.prefix + prefix)
        objects = [entry for page in found for entry in page.get("Contents", [])]
        return {entry["Key"].removeprefix(self.settings.prefix): entry["ETag"] for entry in objects}
