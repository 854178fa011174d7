"""Sessions as a list, with both backends."""

from __future__ import annotations

from shim.auth.keys import mint
from tests.shim.server_process import Server

PATH = "/api/v1/sessions"


def test_sessions_are_listed_newest_first_and_as_their_status_tells(server: Server) -> None:
    made = [server.ready() for _ in range(3)]
    page = server.http.get(PATH, params={"limit": "2"}).json()
    assert [each["session_id"] for each in page["sessions"]] == made[:0:-1]
    assert page["sessions"][0] == server.status(made[2])
    rest = server.http.get(PATH, params={"limit": "1", "cursor": page["next_cursor"]}).json()
    assert [each["session_id"] for each in rest["sessions"]] == [made[0]]
    server.http.delete(f"/api/v1/session/{made[2]}")
    assert server.http.get(PATH, params={"limit": "1"}).json()["sessions"][0]["session_id"] == made[1]
    assert not [key for key in server.stored.keys("owners/") if made[2] in key]


def test_a_session_that_a_generate_made_is_listed_too(server: Server) -> None:
    before = {each["session_id"] for each in server.http.get(PATH, params={"limit": "100"}).json()["sessions"]}
    session = server.create(session_id=f"own-{mint()[:8]}".replace("_", "-"))
    found = server.http.get(PATH, params={"limit": "1"}).json()["sessions"][0]["session_id"]
    assert found == session
    assert session not in before


def test_an_entry_without_its_session_is_left_out_and_the_page_filled_up(server: Server) -> None:
    kept = [server.create() for _ in range(3)]
    (entry,) = [key for key in server.stored.keys("owners/") if kept[1] in key]
    server.stored.store.delete(f"sessions/{kept[1]}.json")
    page = server.http.get(PATH, params={"limit": "2"}).json()["sessions"]
    assert [each["session_id"] for each in page] == [kept[2], kept[0]]
    assert entry in server.stored.keys("owners/")
