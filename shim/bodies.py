"""JSON bodies: read within a limit, and parted into what a path knows and what it ignores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from engine.errors import InvalidInput
from engine.lipsync.options import REFUSED
from shim.refusals import BodyTooLarge

SMALL_BODY_BYTES = 64 * 1024

OWN_FIELDS = frozenset({"action", "begun", "owner"})
"""Fields of an action's input that the server fills in, and no body."""

HEEDED_FIELDS = frozenset({"consent"})
"""Fields of a body that the server itself heeds, and no action's input."""

_MOST_WARNINGS = 20
_MOST_FAULTS = 5

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Body:
    """A request's fields that the path knows or refuses, nulls left out, and a warning for each of the others."""

    fields: dict[str, Any]
    warnings: list[str]

    @classmethod
    def of(cls, body: Mapping[str, Any], model: type[BaseModel]) -> Body:
        """``model`` is the action's input."""
        names = {*model.model_fields, *REFUSED} - OWN_FIELDS
        fields = {name: value for name, value in body.items() if name in names and value is not None}
        unknown = [name for name in body if name not in names | HEEDED_FIELDS]
        told = [_sendable(name[:64]) for name in unknown[:_MOST_WARNINGS]]
        return cls(fields, [f"`{name}` is not known here and was ignored." for name in told])


async def read_json_object(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object; an empty one and ``null`` are one without fields.

    Raises BodyTooLarge above ``limit`` bytes, before they are all read, and InvalidInput.
    """
    return parse_json_object(await _read(request, limit))


def parse_json_object(text: bytes | str) -> dict[str, Any]:
    """Raises InvalidInput when the text is neither empty nor a JSON object or ``null``."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON. Send an object in UTF-8, such as {}.") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("The body has to be a JSON object, such as {}.")
    return value


def validated(body: Mapping[str, Any], model: type[ModelT]) -> ModelT:
    """The body as the model, nulls left out. Raises InvalidInput, which names the fields that are wrong."""
    try:
        return model.model_validate({name: value for name, value in body.items() if value is not None})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_FAULTS]
        told = [f"`{'.'.join(map(str, fault['loc'])) or 'body'}`: {fault['msg']}" for fault in faults]
        raise InvalidInput("; ".join(told) + ".") from None


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    _demand_within(announced_bytes(request), limit)
    async for piece in request.stream():
        body += piece
        _demand_within(len(body), limit)
    return bytes(body)


def announced_bytes(request: Request) -> int:
    """What the request says of its body's size; 0 where it says nothing."""
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _demand_within(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLarge(f"The body is larger than the {limit:,} bytes that this path takes.")


def _sendable(name: str) -> str:
    """The name, but for halves of surrogate pairs: JSON can tell those, and UTF-8 can't."""
    return name.encode(errors="replace").decode()


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
