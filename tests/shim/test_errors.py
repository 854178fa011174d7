"""Every error has one form and carries its request's id."""

from __future__ import annotations

import json
import re

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.shim.errors import assert_form, error_of
from tests.shim.server_process import Server

CREATE = "/api/v1/session/create"


def test_the_routers_404_and_405_have_the_form(server: Server) -> None:
    for path in ("/api/v1", "/api/v1/session", "/nope", "/docs/assets/nope.js"):
        error_of(server.http.get(path), 404, "not_found")
    refused = server.http.put(CREATE)
    error_of(refused, 405, "method_not_allowed")
    # A session of that id could be deleted.
    assert refused.headers["allow"] == "POST, DELETE"
    error_of(server.http.post("/health"), 405, "method_not_allowed")
    refused = server.http.delete("/api/v1/generate/video/output_12345.mp4")
    assert "GET, HEAD" in error_of(refused, 405, "method_not_allowed")["detail"]
    assert refused.headers["allow"] == "GET, HEAD"
    assert server.http.put("/docs/assets/swagger-ui.css").headers["allow"] == "GET, HEAD"


def test_a_socket_on_another_path_is_404_in_the_form(server: Server) -> None:
    for path in ("/nope", "/api/v1/generate/text-to-video"):
        with pytest.raises(InvalidStatus) as refused:
            connect(server.url.replace("http:", "ws:") + path, proxy=None)
        reply = refused.value.response
        assert reply.status_code == 404
        body = json.loads(reply.body or b"")
        assert_form(body)
        assert (body["error"], body["request_id"]) == ("not_found", reply.headers["x-request-id"])


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", b'"text"', b"\xff\xfe", b'{"metadata": NaN}', b"[" * 60_000])
def test_what_is_no_json_object_is_400(server: Server, body: bytes) -> None:
    error_of(server.http.post(CREATE, content=body), 400, "invalid_input")


def test_a_body_above_the_limit_is_413(server: Server) -> None:
    error_of(server.http.post(CREATE, content=b" " * 70_000), 413, "body_too_large")

    def endless() -> object:
        for _ in range(1_000):
            yield b" " * 10_000

    error_of(server.http.post(CREATE, content=endless()), 413, "body_too_large")  # type: ignore[arg-type]


def test_a_request_id_of_the_clients_own_comes_back_and_stands_in_the_log(server: Server) -> None:
    reply = server.http.get("/nope", headers={"X-Request-ID": "order-7.a_B"})
    assert error_of(reply, 404, "not_found")["request_id"] == "order-7.a_B"
    assert "order-7.a_B | GET '/nope' 404" in server.log()


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "a;b", "é"])
def test_an_id_that_is_no_plain_word_is_replaced(server: Server, given: str) -> None:
    reply = server.http.get("/health", headers=[(b"X-Request-ID", given.encode())])
    assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["x-request-id"])


def test_a_path_cannot_forge_a_line_of_the_log(server: Server) -> None:
    error_of(server.http.get("/a%0aforged%20line"), 404, "not_found")
    assert "\nforged line" not in server.log()
