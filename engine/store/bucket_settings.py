"""Which bucket the service keeps its objects in, from the environment."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from engine.errors import ConfigurationError
from engine.store.bucket_address import BUCKET_NAME, BucketAddress, address_of, checked_base, checked_folder

_VARIABLE_PREFIX = "BUCKET_"
_LONGEST_PRESIGNED_SECONDS = 7 * 24 * 3600


class BucketSettings(BaseModel):
    """Each field is read from the variable of its name in capitals, after `BUCKET_`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint_url: str = Field(
        description="The S3 endpoint. It may contain the bucket's name, as its first label or as its path."
    )
    access_key_id: str = Field(min_length=1, description="The access key's id.")
    secret_access_key: SecretStr = Field(min_length=1, description="The access key's secret.")
    name: str = Field(pattern=BUCKET_NAME, description="The bucket's name.")
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
        return None if value is None else checked_base(value)

    @field_validator("prefix")
    @classmethod
    def _key_prefix(cls, value: str) -> str:
        return checked_folder(value)

    @property
    def address(self) -> BucketAddress:
        """How the bucket is addressed."""
        return address_of(self.endpoint_url, self.name)

    @property
    def signing_region(self) -> str:
        """The region that requests are signed for."""
        return self.region or self.address.region


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
