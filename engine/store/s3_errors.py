"""What S3 and the network answer, told in the store's own errors: no secret, no header, no foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as UnreachableError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from engine.errors import ConfigurationError, InternalError
from engine.outages import StorageFull
from engine.store.patience import NoAnswer

CONDITIONAL_STORES = "AWS S3, Cloudflare R2, MinIO and Ceph"

_NETWORK = (UnreachableError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
_ABSENT = frozenset({"NoSuchKey", "NotFound", "404"})
_NO_ROOM = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_AGAIN = frozenset(
    {"SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "ConcurrentModification"}
)


class Absent(Exception):
    """No object has the key."""


class ConditionFailed(Exception):
    """The object is not as the request demands."""


class PastTheEnd(Exception):
    """The range begins where the object has ended."""


class UploadGone(Exception):
    """The upload in parts was completed or given up before."""


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn what botocore raises in the block into the classes above or into those of engine.errors."""
    try:
        yield
    except ClientError as error:
        raise _answer(error) from error
    except _NETWORK as error:
        raise NoAnswer("The object store can't be reached. Try again later.") from error
    except BotoCoreError as error:
        raise InternalError("A request to the object store could not be made.") from error


def _answer(error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return _condition(code, status) or _outage(code, status) or _misconfiguration(code, status) or _defect(code)


def _condition(code: str, status: int) -> Exception | None:
    if code in _ABSENT:
        return Absent()
    if code == "NoSuchUpload":
        return UploadGone()
    return {412: ConditionFailed(), 416: PastTheEnd()}.get(status)


def _outage(code: str, status: int) -> Exception | None:
    if code in _NO_ROOM:
        return StorageFull("The object store has no room left. Free some, or try again later.")
    if code in _AGAIN or status == 429 or (status >= 500 and status != 501):
        return NoAnswer("The object store is overloaded or failing. Try again later.")
    return None


def _misconfiguration(code: str, status: int) -> Exception | None:
    if code in _NO_BUCKET:
        return ConfigurationError("The object store has no such bucket: check BUCKET_NAME and BUCKET_ENDPOINT_URL.")
    if code in _ELSEWHERE or status in (301, 307):
        return ConfigurationError("The bucket is in another region: check BUCKET_REGION and BUCKET_ENDPOINT_URL.")
    if code == "RequestTimeTooSkewed":
        return ConfigurationError("The object store refuses requests because this machine's clock is wrong.")
    if status in (401, 403):
        return ConfigurationError(
            "The object store refuses the access key: check BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY, and "
            "that the key may list, read, write and delete in the bucket."
        )
    if status == 501:
        return ConfigurationError(f"The object store lacks something the service needs. {CONDITIONAL_STORES} have it.")
    return None


def _defect(code: str) -> Exception:
    named = code if re.fullmatch(r"[A-Za-z0-9.]{1,60}", code) else "an unknown code"
    return InternalError(f"The object store refused a request with {named}.")
