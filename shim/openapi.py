"""The API's description: request bodies, the one form of errors, and none of FastAPI's own 422, which never comes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from engine.schemas import CreateSession, Generate
from shim.auth.gate import is_open_path
from shim.bodies import OWN_FIELDS
from shim.errors import ErrorReply

_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (CreateSession, Generate)
_BESIDE: dict[type[BaseModel], dict[str, Any]] = {
    Generate: {
        "webhook_url": {
            "type": "string",
            "format": "uri",
            "maxLength": 2048,
            "description": "With `?async=true` alone: an https address that is told of the job's end, signed by the "
            "Standard Webhooks scheme.",
        }
    }
}
"""Fields that the paths take beside those of the action."""
_FASTAPIS_422 = "Validation Error"
_NEVER = ("HTTPValidationError", "ValidationError")
_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token (JWT) of the operator's."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key."},
}


def body_of(model: type[BaseModel], *, required: bool, example: dict[str, Any]) -> dict[str, Any]:
    """A route's ``openapi_extra`` for a body that the route reads itself."""
    content = {"schema": {"$ref": _REF.format(model=model.__name__)}, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


class DescribedApi(FastAPI):
    """An app whose OpenAPI document says what its paths really take and answer.

    is_guarded: whether a key or token is needed where the gate is not open.
    """

    def __init__(self, *, is_guarded: bool, **fields: Any) -> None:
        super().__init__(**fields)
        self._is_guarded = is_guarded

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = _put_right(
                get_openapi(title=self.title, version=self.version, description=self.description, routes=self.routes)
            )
            self.openapi_schema = _guarded(document) if self._is_guarded else document
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


def _guarded(document: dict[str, Any]) -> dict[str, Any]:
    """With the two ways to show a key, and the refusal of those who show none."""
    document["components"]["securitySchemes"] = _SCHEMES
    description = "No key or token came, or one that is not valid here"
    refusal = {"description": description, **_error_content()}
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["security"] = [] if is_open_path(path) else [{name: []} for name in _SCHEMES]
            if not is_open_path(path):
                operation["responses"]["401"] = refusal
    return document


def _error_content() -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": _REF.format(model="ErrorReply")}}}}


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
        schema["properties"] |= _BESIDE.get(model, {})
        schema.pop("additionalProperties", None)
        if not schema["required"]:
            del schema["required"]
    return schemas


def _put_errors_right(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if responses.get("422", {}).get("description") == _FASTAPIS_422:
        del responses["422"]
    responses.setdefault("500", {"description": "Server error", **_error_content()})
