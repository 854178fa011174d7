"""The API's description: what its paths really take and answer, with an example of everything."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from engine.schemas import CreateSession, Generate
from shim.auth.gate import is_open_path
from shim.avatars.consent import FIELD, PROPERTY
from shim.bodies import OWN_FIELDS
from shim.errors import ErrorReply
from shim.openapi_errors import error_responses
from shim.openapi_examples import FILES, PARAMETERS, REPLIES, TAGS, TEXTS

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
_NEVER = ("HTTPValidationError", "ValidationError")
_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token: a browser's or the operator's."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key."},
}


def body_of(model: type[BaseModel], *, required: bool, example: dict[str, Any]) -> dict[str, Any]:
    """A route's ``openapi_extra`` for a body that the route reads itself."""
    schema: dict[str, Any] = {"$ref": _REF.format(model=model.__name__)}
    content = {"schema": schema if required else {"anyOf": [schema, {"type": "null"}]}, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


class DescribedApi(FastAPI):
    """An app whose OpenAPI document says what its paths really take and answer.

    is_guarded: whether a key or token is needed where the gate is not open.
    """

    def __init__(self, *, is_guarded: bool, **fields: Any) -> None:
        super().__init__(generate_unique_id_function=lambda route: route.name, **fields)
        self._is_guarded = is_guarded

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            self.openapi_schema = _put_right(document, self._is_guarded)
        return self.openapi_schema


def _put_right(document: dict[str, Any], is_guarded: bool) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name in _NEVER:
        schemas.pop(name, None)
    document["components"]["schemas"] = schemas = {**_body_schemas(), **schemas}
    if is_guarded:
        document["components"]["securitySchemes"] = _SCHEMES
    tags: dict[str, None] = {}
    for path, item in document["paths"].items():
        for operation in item.values():
            _put_operation_right(path, operation, schemas, is_guarded)
            tags |= dict.fromkeys(operation["tags"])
    document["tags"] = [{"name": tag, "description": TAGS.get(tag, "")} for tag in tags]
    return document


def _put_operation_right(path: str, operation: dict[str, Any], schemas: dict[str, Any], is_guarded: bool) -> None:
    is_open = is_open_path(path)
    if is_guarded:
        operation["security"] = [] if is_open else [{name: []} for name in _SCHEMES]
    successes = {status: reply for status, reply in operation["responses"].items() if status < "400"}
    for response in successes.values():
        for media_type, content in response.get("content", {}).items():
            _add_example(media_type, content, schemas)
    errors = error_responses(operation["operationId"], is_open=is_open, is_guarded=is_guarded)
    operation["responses"] = {**successes, **(_parts(successes["200"]) if "416" in errors else {}), **errors}
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        example = FILES.get(path) if name == "filename" else PARAMETERS.get(name)
        if example is not None:
            parameter["example"] = example


def _parts(whole: dict[str, Any]) -> dict[str, Any]:
    """What else a path that serves files answers."""
    return {
        "206": {"description": "The part of it that `Range` asks for.", "content": whole["content"]},
        "304": {"description": "The client has this version."},
    }


def _add_example(media_type: str, content: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The media type's own, or those of its models, or those that are kept for the models' names."""
    if "example" in content or "examples" in content:
        return
    schema = content.get("schema", {})
    names = [told.get("$ref", "").rpartition("/")[2] for told in schema.get("anyOf", [schema])]
    found = {name: schemas.get(name, {}).get("example", REPLIES.get(name)) for name in names}
    examples = {name: {"value": example} for name, example in found.items() if example is not None}
    if examples:
        content["examples"] = examples
    elif media_type in TEXTS:
        content["example"] = TEXTS[media_type]


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
        schema["properties"][FIELD] = PROPERTY
        schema.pop("additionalProperties", None)
        if not schema["required"]:
            del schema["required"]
    return schemas
