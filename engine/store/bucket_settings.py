"""Which bucket the service keeps its objects in, from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from engine.errors import ConfigurationError
from engine.store.keys import is_key

_VARIABLE_PREFIX = "BUCKET_"
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
_AMAZON = re.compile(r"s3(?:\.dualstack)?[.-]([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class BucketAddress:
    """The endpoint without the bucket's name, and where requests put that name."""

    endpoint_url: str
    style: Literal["path", "virtual"]


class BucketSettings(BaseModel):
    """Each field is read from the variable of its name in capitals, after `BUCKET_`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint_url: str = Field(
        description="The S3 endpoint. It may contain the bucket's name, as its first label or as its path."
    )
    access_key_id: str = Field(min_length=1, description="The access key's id.")
    secret_access_key: SecretStr = Field(min_length=1, description="The access key's secret.")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$", description="The bucket's name.")
    region: str = Field(
        "", pattern=r"^[A-Za-z0-9-]*$", description="The bucket's region. Unset: the endpoint's, or us-east-1."
    )
    prefix: str = Field(
        "", max_length=100, description="What every key in the bucket begins with, such as `avatars/prod`."
    )
    public_base_url: str | None = Field(
        None, description="Where the bucket is readable without a signature. Unset: results get presigned addresses."
    )
    presign_ttl_seconds: int = Field(
        24 * 3600, ge=1, le=_LONGEST_PRESIGNED_SECONDS, description="How long a presigned address works."
    )

    @field_validator("endpoint_url", "public_base_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
            raise ValueError("has to be https:// or http:// and a host, with a port where it needs one")
        if parts.query or parts.fragment:
            raise ValueError("may hold no query or fragment")
        return value.rstrip("/")

    @field_validator("prefix")
    @classmethod
    def _key_prefix(cls, value: str) -> str:
        folder = value.strip("/")
        if folder and not is_key(folder):
            raise ValueError("has to consist of letters, digits, '.', '_' and '-', parted by '/'")
        return f"{folder}/" if folder else ""

    @property
    def address(self) -> BucketAddress:
        """How the bucket is addressed: as its endpoint shows, else on Amazon's hosts by name and elsewhere by path."""
        parts = urlsplit(self.endpoint_url)
        if parts.netloc.startswith(f"{self.name}."):
            return BucketAddress(_endpoint(parts, parts.netloc.removeprefix(f"{self.name}."), parts.path), "virtual")
        if parts.path.endswith(f"/{self.name}"):
            return BucketAddress(_endpoint(parts, parts.netloc, parts.path.removesuffix(f"/{self.name}")), "path")
        # A certificate for one label doesn't cover a bucket's name with dots.
        by_name = (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")) and "." not in self.name
        return BucketAddress(self.endpoint_url, "virtual" if by_name else "path")

    @property
    def signing_region(self) -> str:
        """The region that requests are signed for."""
        host = urlsplit(self.address.endpoint_url).hostname or ""
        amazon = _AMAZON.fullmatch(host)
        return self.region or (amazon[1] if amazon else "us-east-1")


def _endpoint(parts: SplitResult, host: str, path: str) -> str:
    return f"{parts.scheme}://{host}{path}"


def read_bucket_settings(environment: Mapping[str, str]) -> BucketSettings | None:
    """The bucket that the environment names; None when it names none. An empty variable counts as unset.

    Raises ConfigurationError when some variables are missing or don't hold what they should. It names the variables
    and never their values.
    """
    named = {field: environment.get(_variable(field), "") for field in BucketSettings.model_fields}
    given = {field: value for field, value in named.items() if value}
    if not given:
        return None
    fields = BucketSettings.model_fields.items()
    missing = [_variable(field) for field, info in fields if info.is_required() and field not in given]
    if missing:
        raise ConfigurationError(
            f"The bucket is configured in part: set {', '.join(missing)} as well, or none of the BUCKET_ variables."
        )
    return _checked(given)


def _checked(given: Mapping[str, str]) -> BucketSettings:
    try:
        return BucketSettings.model_validate(given)
    except ValidationError as error:
        # pydantic's sentences quote no input here: a value could be a secret in the wrong variable.
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = "; ".join(f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in faults)
        raise ConfigurationError(f"The bucket's configuration is wrong. {wrong}.") from None


def _variable(field: str) -> str:
    return f"{_VARIABLE_PREFIX}{field.upper()}"
