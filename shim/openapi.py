"""The API's description: request bodies, the one form of errors, and no 422, which never comes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from engine.schemas import CreateSession, Generate
from shim.bodies import OWN_FIELDS
from shim.errors import ErrorReply

_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (CreateSession, Generate)
_NEVER = ("HTTPValidationError", "ValidationError")


def body_of(model: type[BaseModel], *, required: bool, example: dict[str, Any]) -> dict[str, Any]:
    """A route's ``openapi_extra`` for a body that the route reads itself."""
    content = {"schema": {"$ref": _REF.format(model=model.__name__)}, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


class DescribedApi(FastAPI):
    """An app whose OpenAPI document says what its paths really take and answer."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _put_right(
                get_openapi(title=self.title, version=self.version, description=self.description, routes=self.routes)
            )
        return self.openapi_schema


def _put_right(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name in _NEVER:
        schemas.pop(name, None)
    document["components"]["schemas"] = {**_body_schemas(), **schemas}
    for path in document["paths"].values():
        for operation in path.values():
            _put_errors_right(operation)
    return document


def _body_schemas() -> dict[str, Any]:
    pairs: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in _BODIES]
    pairs.append((ErrorReply, "serialization"))
    _, definitions = models_json_schema(pairs, ref_template=_REF)
    schemas: dict[str, Any] = definitions["$defs"]
    for model in _BODIES:
        schema = schemas[model.__name__]
        # The path says which action it is, and ignores what it doesn't know.
        schema["properties"] = {name: value for name, value in schema["properties"].items() if name not in OWN_FIELDS}
        schema["required"] = [name for name in schema.get("required", []) if name not in OWN_FIELDS]
        schema.pop("additionalProperties", None)
        if not schema["required"]:
            del schema["required"]
    return schemas


def _put_errors_right(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    content = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorReply")}}}
    responses.setdefault("500", {"description": "Server error", "content": content})
