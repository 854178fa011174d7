"""The short way to a session's status: as its route is described, and measured as that."""

from __future__ import annotations

from tests.shim.errors import error_of
from tests.shim.server_process import Server


def test_it_answers_as_its_route_is_described(server: Server) -> None:
    session_id = server.ready()
    reply = server.http.get(f"/api/v1/session/{session_id}/status")
    assert reply.headers["content-type"] == "application/json"
    schemas = server.http.get("/openapi.json").json()["components"]["schemas"]
    state = reply.json()
    assert set(state) <= set(schemas["SessionState"]["properties"])
    assert set(state) >= set(schemas["SessionState"]["required"])
    assert None not in state.values()


def test_what_is_not_there_is_told_as_everywhere(server: Server) -> None:
    error_of(server.http.get("/api/v1/session/nobody/status"), 404, "session_not_found")
    error_of(server.http.get("/api/v1/session/no body/status"), 404, "session_not_found")
    error_of(server.http.post("/api/v1/session/nobody/status"), 405, "method_not_allowed")


def test_it_is_counted_as_its_route(server: Server) -> None:
    def counted() -> float:
        line = 'avatar_http_requests_total{method="GET",route="/api/v1/session/{session_id}/status",status="200"} '
        text = server.http.get("/metrics").text
        found = [row for row in text.splitlines() if row.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0.0

    session_id = server.ready()
    before = counted()
    for _ in range(3):
        server.status(session_id)
    assert counted() == before + 3


def test_a_session_that_is_deleted_here_is_gone_at_once(server: Server) -> None:
    session_id = server.ready()
    server.status(session_id)
    assert server.http.delete(f"/api/v1/session/{session_id}").status_code == 200
    error_of(server.http.get(f"/api/v1/session/{session_id}/status"), 404, "session_not_found")
