"""The API describes itself, without the internet."""

from __future__ import annotations

import re
from typing import Any

from tests.shim.server_process import Server


def test_the_page_takes_everything_from_this_server(server: Server) -> None:
    page = server.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        found = server.http.get(address)
        assert found.status_code == 200
        assert len(found.content) > 1000


def test_the_description_has_every_path_with_its_errors(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    assert {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item} == {
        "DELETE /api/v1/avatars/{avatar_id}",
        "DELETE /api/v1/session/{session_id}",
        "GET /api/v1/avatars",
        "GET /api/v1/avatars/{avatar_id}",
        "GET /api/v1/avatars/{avatar_id}/thumbnail",
        "GET /api/v1/generate/audio/{filename}",
        "GET /api/v1/generate/captions/{filename}",
        "GET /api/v1/generate/stream/{stream_id}",
        "GET /api/v1/generate/stream/{stream_id}/index.m3u8",
        "GET /api/v1/generate/stream/{stream_id}/{run}/init.mp4",
        "GET /api/v1/generate/stream/{stream_id}/{run}/segment-{number}.m4s",
        "GET /api/v1/generate/thumbnail/{filename}",
        "GET /api/v1/generate/video/{filename}",
        "GET /api/v1/health",
        "GET /api/v1/jobs/{job_id}",
        "GET /api/v1/limits",
        "GET /api/v1/models",
        "GET /api/v1/session/{session_id}/status",
        "GET /api/v1/session/{session_id}/thumbnail",
        "GET /api/v1/sessions",
        "GET /api/v1/usage",
        "GET /api/v1/voices",
        "GET /api/v1/webhooks/secret",
        "GET /health",
        "POST /api/v1/avatars",
        "POST /api/v1/avatars/{avatar_id}/complete",
        "POST /api/v1/generate/text-to-video",
        "POST /api/v1/generate/text-to-video-stream",
        "POST /api/v1/jobs/{job_id}/cancel",
        "POST /api/v1/session/create",
        "POST /api/v1/tokens",
        "PUT /api/v1/avatars/{avatar_id}/content",
    }
    for item in document["paths"].values():
        for operation in item.values():
            takes_key = "Idempotency-Key" in [given["name"] for given in operation.get("parameters", [])]
            assert ("422" in operation["responses"]) is takes_key
            for status, response in operation["responses"].items():
                if status >= "400":
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorReply"}


def test_every_reference_of_the_description_leads_somewhere(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    names = {reference.rpartition("/")[2] for reference in references(document)}
    assert {"Generate", "CreateSession", "VoiceSettings", "ErrorReply", "VideoReply"} <= names
    assert names <= set(document["components"]["schemas"])


def test_the_examples_of_the_description_are_the_contracts(server: Server) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    body = paths["/api/v1/generate/text-to-video"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["example"]) == {"session_id", "text", "voice_id", "model_id"}
    schemas = server.http.get("/openapi.json").json()["components"]["schemas"]
    generate, creation = schemas["Generate"], schemas["CreateSession"]
    assert not {"action", "begun"} & (set(generate["properties"]) | set(creation["properties"]))
    assert "additionalProperties" not in generate


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return [*own, *(found for item in value.values() for found in references(item))]
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    return []
