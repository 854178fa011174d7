"""The API's description: complete, with examples of everything that hold what its schemas say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.outages import Overloaded
from engine.records import Records
from engine.store.local import LocalStore
from shim.app import Service, create_app
from shim.openapi_errors import BEGUN, ERRORS, error_responses, meaning_of
from shim.settings import ShimSettings
from tests.shim.asgi import asked
from tests.shim.test_app import FailingBackend

Document = dict[str, Any]


def read_document(folder: Path, **settings: Any) -> Document:
    store = LocalStore(folder)
    service = Service(
        FailingBackend(Overloaded("All places are taken.")),
        store,
        Records(store, lambda: datetime.now(UTC)),
        ShimSettings.model_validate(settings),
    )
    document: Document = asked(create_app(service), "GET", "/openapi.json").json()
    return document


@pytest.fixture(scope="module", params=["open", "guarded"])
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Of a server that lets everybody in, and of one with keys."""
    settings = {"jwt_secret": "x" * 40} if request.param == "guarded" else {}
    return read_document(tmp_path_factory.mktemp("store"), **settings)


@dataclass(frozen=True)
class Operation:
    """``name``: method and path."""

    name: str
    told: Document

    @property
    def errors(self) -> dict[str, Document]:
        return {status: told for status, told in self.told["responses"].items() if status >= "400"}


def operations(document: Document) -> list[Operation]:
    return [
        Operation(f"{method.upper()} {path}", told)
        for path, item in document["paths"].items()
        for method, told in item.items()
    ]


def contents(operation: Operation) -> Iterator[tuple[str, str, Document]]:
    """Where it is, its media type, and what is said of it: of the body and of all replies."""
    for media_type, content in operation.told.get("requestBody", {}).get("content", {}).items():
        yield f"{operation.name} body", media_type, content
    for status, response in operation.told["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield f"{operation.name} {status}", media_type, content


def is_binary(media_type: str, content: Document) -> bool:
    return media_type.startswith(("video/", "audio/", "image/", "multipart/", "application/octet-stream"))


def examples_of(told: Document) -> list[Any]:
    own = [told["example"]] if "example" in told else []
    return own + [example["value"] for example in told.get("examples", {}).values()]


def fault_of(example: Any, schema: Document, document: Document) -> str | None:
    rooted = {**schema, "components": document["components"]}
    validator = jsonschema.Draft202012Validator(rooted, format_checker=jsonschema.FormatChecker())
    faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(example)]
    return "; ".join(faults) or None


def test_every_body_and_reply_has_an_example_and_each_holds(document: Document) -> None:
    missing, wrong = [], []
    for operation in operations(document):
        for where, media_type, content in contents(operation):
            examples = examples_of(content)
            if not examples and not is_binary(media_type, content):
                missing.append(f"{where} {media_type}")
            faults = [fault_of(example, content["schema"], document) for example in examples]
            wrong += [f"{where}: {fault}" for fault in faults if fault]
    assert missing == []
    assert wrong == []


def test_every_parameter_has_an_example_that_holds(document: Document) -> None:
    wrong = []
    for operation in operations(document):
        for parameter in operation.told.get("parameters", ()):
            examples = examples_of(parameter)
            faults = [fault_of(example, parameter["schema"], document) for example in examples]
            if not examples or any(faults):
                wrong.append(f"{operation.name} {parameter['name']}: {faults or 'no example'}")
    assert wrong == []


def test_operations_are_named_grouped_and_summed_up(document: Document) -> None:
    found = operations(document)
    names = [operation.told["operationId"] for operation in found]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names), names
    described = {tag["name"] for tag in document["tags"] if len(tag["description"]) > 20}
    for operation in found:
        assert operation.told["summary"].endswith("."), operation.name
        (tag,) = operation.told["tags"]
        assert tag in described, operation.name


def test_every_operation_says_which_errors_it_has(document: Document) -> None:
    names = {operation.told["operationId"] for operation in operations(document)}
    assert names - set(ERRORS) == set(), "add them to shim/openapi_errors.py"
    assert set(ERRORS) - names == set(), "nothing has these names any more"
    assert set(BEGUN) <= names


def test_every_error_has_its_form_and_an_example_of_each_code(document: Document) -> None:
    for operation in operations(document):
        for status, response in operation.errors.items():
            content = response["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorReply"}
            for code, example in content["examples"].items():
                assert example["value"]["error"] == code
                assert f"`{code}`" in response["description"], f"{operation.name} {status}"
                assert len(example["summary"]) > 10


def test_the_statuses_are_those_of_the_errors() -> None:
    told = error_responses("create_session", is_open=False, is_guarded=True)
    assert list(told) == ["400", "401", "403", "409", "413", "422", "429", "500", "503"]
    assert "Retry-After" in told["429"]["headers"]
    assert "headers" not in told["400"]
    open_path = error_responses("health", is_open=True, is_guarded=True)
    assert list(open_path) == ["403", "500"]


def test_what_is_guarded_says_how_to_get_in(tmp_path: Path) -> None:
    guarded = read_document(tmp_path, jwt_secret="x" * 40)
    assert set(guarded["components"]["securitySchemes"]) == {"bearer", "key"}
    for operation in operations(guarded):
        needs_key = operation.told["security"] != []
        assert ("401" in operation.errors) is needs_key
        assert needs_key is ("health" not in operation.name)


def test_an_error_without_words_would_be_seen() -> None:
    assert meaning_of(Overloaded) == "All slots are busy."
