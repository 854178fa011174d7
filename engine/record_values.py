"""Values of records, as narrow as what reads them needs: a record that somebody has damaged is found out at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field
from typing_extensions import TypedDict

from engine.store.keys import is_segment


def _part_of_a_key(name: str) -> str:
    if not is_segment(name):
        raise ValueError("it can't be part of a key")
    return name


Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))]
"""A time with its zone, far enough from the calendar's ends that a lifetime can be added in any zone."""

KeyPart = Annotated[str, AfterValidator(_part_of_a_key)]
"""What may stand between two slashes of a key of the store."""


class ToldFailure(TypedDict):
    """Why a job made no video, as its caller is told."""

    code: str
    message: str
    retryable: bool
