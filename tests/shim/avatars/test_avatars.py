"""Avatars over HTTP: listed, looked at and deleted, with both backends."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.worker.clips import hum, wav_base64

PATH = "/api/v1/avatars"


def avatar(server: Server, avatar_id: str) -> dict[str, Any]:
    reply = server.http.get(f"{PATH}/{avatar_id}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def delete(server: Server, avatar_id: str) -> None:
    reply = server.http.delete(f"{PATH}/{avatar_id}")
    assert (reply.status_code, reply.json()) == (200, {"message": "Avatar deleted successfully"})


def of_its_own(clip: Path) -> bytes:
    """The clip as a file that no other test has uploaded: an MP4 may end with a box of anything."""
    return clip.read_bytes() + b"\0\0\0\x18free" + uuid.uuid4().bytes


def test_an_upload_is_found_as_it_was_sent(server: Server, tiny_avatar: Path) -> None:
    body = of_its_own(tiny_avatar)
    sent = server.http.post(PATH, files={"file": ("a.mp4", body)}, data={"consent": "true"}).json()
    assert (sent["bytes"], sent["status"], sent["consent"]) == (len(body), "uploaded", True)
    assert sent["uploaded_at"] < sent["expires_at"]
    assert not {"avatar", "thumbnail_url"} & set(sent)
    assert avatar(server, sent["avatar_id"]) == sent
    error_of(server.http.get(f"{PATH}/{sent['avatar_id']}/thumbnail"), 404, "output_not_found")
    delete(server, sent["avatar_id"])


def test_a_session_tells_what_became_of_its_avatar(server: Server, tiny_avatar: Path) -> None:
    avatar_id = server.upload(of_its_own(tiny_avatar))
    state = server.ended(server.create(avatar_video_path=avatar_id))
    known = avatar(server, avatar_id)
    assert known["status"] == "ready"
    assert known["avatar"] == state["avatar"]
    assert (known["avatar"]["width"], known["avatar"]["height"], known["avatar"]["seconds"]) == (256, 256, 1)
    box = known["avatar"]["face_box"]
    assert 0 < box["left"] < box["left"] + box["width"] < 256
    assert 0 < box["top"] < box["top"] + box["height"] < 256
    assert box["width"] == pytest.approx(known["avatar"]["face_width"], rel=0.2)
    pictures = [server.http.get(each["thumbnail_url"]) for each in (known, state)]
    for picture in pictures:
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.headers["cache-control"].startswith("private")
        shown = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (256, 256, 3)
        again = server.http.get(str(picture.url), headers={"If-None-Match": picture.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert server.http.head(str(picture.url)).headers["content-length"] == str(len(picture.content))
    assert pictures[0].content == pictures[1].content
    delete(server, avatar_id)


def test_a_session_that_is_not_ready_has_no_thumbnail(server: Server) -> None:
    session = server.create(avatar_video_path=server.upload(b"no video"))
    state = server.ended(session)
    assert state["status"] == "error"
    assert "thumbnail_url" not in state
    error_of(server.http.get(f"/api/v1/session/{session}/thumbnail"), 404, "output_not_found")
    error_of(server.http.get("/api/v1/session/nobody/thumbnail"), 404, "session_not_found")


def test_avatars_are_listed_newest_first_and_page_by_page(server: Server) -> None:
    sent = [server.upload(f"file {number}".encode()) for number in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for size in (2, 2, 1):
        page = server.http.get(PATH, params={"limit": str(size), **cursor}).json()
        assert len(page["avatars"]) == size
        seen += [each["avatar_id"] for each in page["avatars"]]
        cursor = {"cursor": page["next_cursor"]} if "next_cursor" in page else {}
    assert seen == sent[::-1]
    delete(server, sent[3])
    newest = server.http.get(PATH, params={"limit": "2"}).json()["avatars"]
    assert [each["avatar_id"] for each in newest] == [sent[4], sent[2]]
    for avatar_id in (*sent[:3], sent[4]):
        delete(server, avatar_id)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=", "cursor=Li4vc2VjcmV0cw", "cursor=%00", "cursor=é"],
)
def test_what_is_no_page_is_400(server: Server, query: str) -> None:
    for path in (PATH, "/api/v1/sessions"):
        error_of(server.http.get(f"{path}?{query}"), 400, "invalid_input")


@pytest.mark.parametrize("avatar_id", ["nobody", "x" * 65, "..%2fuploads", "a.b", "%00"])
def test_what_is_no_avatar_is_404(server: Server, avatar_id: str) -> None:
    for method, rest in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/complete"),
        ("PUT", "/content"),
        ("GET", "/thumbnail"),
    ):
        reply = server.http.request(method, f"{PATH}/{avatar_id}{rest}")
        assert reply.status_code in (404, 405)
        assert reply.json()["error"] in ("avatar_not_found", "not_found", "method_not_allowed")


def test_nothing_is_left_of_an_avatar_that_is_deleted(server: Server, tiny_avatar: Path) -> None:
    avatar_id = server.upload(of_its_own(tiny_avatar))
    session = server.ready(avatar_video_path=avatar_id)
    before = {key for key in server.stored.keys("") if avatar_id in key}
    assert len(before) == 4
    delete(server, avatar_id)
    assert not {key for key in server.stored.keys("") if avatar_id in key}
    error_of(server.http.get(f"{PATH}/{avatar_id}"), 404, "avatar_not_found")
    error_of(server.http.delete(f"{PATH}/{avatar_id}"), 404, "avatar_not_found")
    error_of(server.http.post("/api/v1/session/create", json={"avatar_video_path": avatar_id}), 400, "avatar_not_found")

    body = {"session_id": session, "audio_base64": wav_base64(hum(0.2))}
    assert server.http.post("/api/v1/generate/text-to-video", json=body).status_code == 200
    assert server.http.delete(f"/api/v1/session/{session}").status_code == 200


def test_what_was_prepared_goes_with_its_upload_unless_a_session_uses_it(server: Server, tiny_avatar: Path) -> None:
    body = of_its_own(tiny_avatar)
    mine, others = server.upload(body), server.upload(body)
    first, second = server.ready(avatar_video_path=mine), server.ready(avatar_video_path=others)

    def prepared() -> set[str]:
        return {key.split("/")[1] for key in server.stored.keys("avatars/") if key.endswith("manifest.json")}

    before = prepared()
    server.http.delete(f"/api/v1/session/{first}")
    delete(server, mine)
    assert prepared() == before
    server.http.delete(f"/api/v1/session/{second}")
    delete(server, others)
    assert len(before - prepared()) == 1


def test_a_preparation_ends_well_or_says_that_its_avatar_was_deleted(server: Server, tiny_avatar: Path) -> None:
    avatar_id = server.upload(of_its_own(tiny_avatar))
    session = server.create(avatar_video_path=avatar_id)
    delete(server, avatar_id)
    state = server.ended(session)
    assert (state["status"], state.get("error_code")) in (("ready", None), ("error", "avatar_not_found"))
    assert not {key for key in server.stored.keys("upload") if avatar_id in key}


def test_a_prepared_avatar_that_was_deleted_is_prepared_anew(server: Server, tiny_avatar: Path) -> None:
    body = of_its_own(tiny_avatar)
    first = server.upload(body)
    session = server.ready(avatar_video_path=first)
    server.http.delete(f"/api/v1/session/{session}")
    delete(server, first)
    second = server.upload(body)
    assert server.ended(server.create(avatar_video_path=second))["status"] == "ready"
    delete(server, second)
