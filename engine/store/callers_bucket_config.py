"""The bucket that comes with a job, as RunPod's ``s3Config`` names it."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from engine.errors import S3ConfigInvalid
from engine.store.bucket_address import BUCKET_NAME, BucketAddress, address_of, checked_base, checked_folder
from engine.store.keys import check_key, is_key

_LONGEST = 1024


class CallersBucketConfig(BaseModel):
    """A field's name in the job is its name here in camel case. Fields beyond these are left to the queue."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    access_id: SecretStr = Field(description="The access key's id.")
    access_secret: SecretStr = Field(description="The access key's secret.")
    bucket_name: str = Field(description="The bucket's name.", pattern=BUCKET_NAME)
    endpoint_url: str = Field(
        max_length=_LONGEST,
        description="The S3 endpoint. It may contain the bucket's name, as its first label or as its path.",
    )
    object_path: str = Field("", max_length=200, description="What every key in the bucket begins with.")

    @field_validator("access_id", "access_secret")
    @classmethod
    def _some_text(cls, value: SecretStr) -> SecretStr:
        if not 1 <= len(value.get_secret_value()) <= _LONGEST or not value.get_secret_value().isprintable():
            raise ValueError(f"has to be 1 to {_LONGEST} printable characters")
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        base = checked_base(value)
        try:
            httpx.URL(base)
        except httpx.InvalidURL as error:
            raise ValueError("is no URL") from error
        path = urlsplit(base).path.removeprefix("/")
        if path and not is_key(path):
            raise ValueError("may hold only letters, digits, '.', '_' and '-' in its path, parted by '/'")
        return base

    @field_validator("object_path", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return "" if value is None else value

    @field_validator("object_path")
    @classmethod
    def _key_prefix(cls, value: str) -> str:
        return checked_folder(value)

    @property
    def address(self) -> BucketAddress:
        """How the bucket is addressed."""
        return address_of(self.endpoint_url, self.bucket_name)

    @property
    def folder_url(self) -> str:
        """Where the job's objects go, without any permission: the same for the same place, whatever the key."""
        address = self.address
        if address.style == "path":
            return f"{_normal(address.endpoint_url)}/{self.bucket_name}/{self.object_path}"
        scheme, _, rest = address.endpoint_url.partition("://")
        return f"{_normal(f'{scheme}://{self.bucket_name}.{rest}')}/{self.object_path}"

    def object_url(self, key: str) -> str:
        """Where the object of that key is, without any permission. ValueError when it is no key."""
        check_key(self.object_path + key)
        return self.folder_url + key


def _normal(url: str) -> str:
    """With the host written as it goes into the Host header: in small letters, without the scheme's own port."""
    return str(httpx.URL(url)).rstrip("/")


def read_s3_config(config: object) -> CallersBucketConfig:
    """Raises S3ConfigInvalid, which names the fields at fault and no value."""
    if not isinstance(config, dict):
        raise S3ConfigInvalid("s3Config has to be an object with accessId, accessSecret, bucketName and endpointUrl.")
    try:
        return CallersBucketConfig.model_validate(config)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        told = "; ".join(f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}" for fault in faults)
        raise S3ConfigInvalid(f"s3Config can't be used. {told}.") from None
