"""An S3 server of the tests, and a fresh bucket's settings on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from engine.store.bucket_settings import BucketSettings

ACCESS_KEY_ID = "AKIATESTSERVER"
SECRET_ACCESS_KEY = "a-secret-that-no-message-may-show"


@dataclass(frozen=True)
class S3Endpoint:
    """Where a server listens, and the bucket that was made on it."""

    url: str
    bucket: str

    def settings(self, **changes: object) -> BucketSettings:
        """Settings for a part of the bucket that nobody has written to."""
        given: dict[str, object] = {
            "endpoint_url": self.url,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
            "name": self.bucket,
            "prefix": uuid.uuid4().hex,
        }
        return BucketSettings.model_validate(given | changes)

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def client(self) -> Any:
        """A plain client, to look at what the store has left on the server."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def unfinished_uploads(self, settings: BucketSettings) -> int:
        """How many uploads in parts were begun under the settings' prefix and neither completed nor given up."""
        uploads = self.client().list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return len([upload for upload in uploads if upload["Key"].startswith(settings.prefix)])


def make_bucket(url: str, name: str) -> S3Endpoint:
    endpoint = S3Endpoint(url, name)
    endpoint.client().create_bucket(Bucket=name)
    return endpoint
