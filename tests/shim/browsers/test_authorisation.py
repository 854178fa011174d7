"""Every path of the description, asked in every way that somebody could come: who gets what.

A path without a row here fails: whoever adds one says who may use it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from shim.links import scope_of
from tests.shim.auth.signing import secret_token
from tests.shim.browsers.world import GENERATE, KEYS, SOUND, STREAM, World, link_of, token_of

OPEN, REFUSED = 200, 401
NOT_FOUND = 404
FORBIDDEN = 403


@dataclass(frozen=True)
class Row:
    """The statuses of one method of one path, by who asks.

    own: Alice, with her key. other: Bob, with his. page: a token for Alice's session. elsewhere: one for another
    session of hers. spent: the first, without generations. linked: nobody, by Alice's link to her stream or video.
    nobody: no key, a wrong one, tokens and links that have expired.
    """

    own: int
    other: int
    page: int
    elsewhere: int | None = None
    spent: int | None = None
    linked: int = REFUSED
    nobody: int = REFUSED
    body: dict[str, Any] = field(default_factory=dict)
    form: bool = False
    content: bool = False

    def expected(self) -> dict[str, int]:
        elsewhere = self.page if self.elsewhere is None else self.elsewhere
        spent = self.page if self.spent is None else self.spent
        of_nobody = dict.fromkeys(NOBODY, self.nobody)
        return {**of_nobody, "link": self.linked, "other": self.other, "page": self.page, "elsewhere": elsewhere,
                "spent": spent, "own": self.own}  # fmt: skip


NOBODY = ("no key", "wrong key", "expired token", "provider's expired token", "expired link")


def _open() -> Row:
    return Row(OPEN, OPEN, OPEN, linked=OPEN, nobody=OPEN)


def _everybodys() -> Row:
    """Of what is the same for all who are let in."""
    return Row(OPEN, OPEN, OPEN)


def _keys_alone(own: int = OPEN, other: int = OPEN, **more: Any) -> Row:
    return Row(own, other, FORBIDDEN, **more)


def _sessions(own: int = OPEN) -> Row:
    return Row(own, NOT_FOUND, own, elsewhere=NOT_FOUND)


def _files() -> Row:
    return Row(OPEN, NOT_FOUND, OPEN, elsewhere=NOT_FOUND, linked=OPEN)


def _jobs() -> Row:
    return Row(OPEN, NOT_FOUND, OPEN, elsewhere=NOT_FOUND)


CONTENT = b"no video"
VIDEO = {"session_id": "{session_id}", "audio_base64": SOUND}
_GENERATES = Row(OPEN, NOT_FOUND, OPEN, elsewhere=NOT_FOUND, spent=FORBIDDEN, body=VIDEO)

ROWS = {
    "GET /health": _open(),
    "GET /api/v1/health": _open(),
    "POST /api/v1/session/create": _keys_alone(other=400, body={"avatar_video_path": "{avatar_id}"}),
    "GET /api/v1/session/{session_id}/status": _sessions(),
    "DELETE /api/v1/session/{session_id}": _keys_alone(other=NOT_FOUND),
    "POST /api/v1/tokens": _keys_alone(other=NOT_FOUND, body={"session_id": "{session_id}"}),
    "POST /api/v1/avatars": _keys_alone(form=True),
    "GET /api/v1/avatars": _keys_alone(),
    "GET /api/v1/avatars/{avatar_id}": _keys_alone(other=NOT_FOUND),
    "DELETE /api/v1/avatars/{avatar_id}": _keys_alone(other=NOT_FOUND),
    "PUT /api/v1/avatars/{avatar_id}/content": _keys_alone(own=204, other=NOT_FOUND, linked=204, content=True),
    "POST /api/v1/avatars/{avatar_id}/complete": _keys_alone(own=409, other=NOT_FOUND),
    "GET /api/v1/avatars/{avatar_id}/thumbnail": _keys_alone(other=NOT_FOUND, linked=OPEN),
    "GET /api/v1/sessions": _keys_alone(),
    "GET /api/v1/session/{session_id}/thumbnail": _files(),
    "GET /api/v1/limits": _everybodys(),
    f"POST {GENERATE}": _GENERATES,
    f"POST {STREAM}": _GENERATES,
    "GET /api/v1/generate/stream/{stream_id}": _files(),
    "GET /api/v1/generate/stream/{stream_id}/index.m3u8": _files(),
    "GET /api/v1/generate/stream/{stream_id}/{run}/init.mp4": _files(),
    "GET /api/v1/generate/stream/{stream_id}/{run}/segment-{number}.m4s": _files(),
    "GET /api/v1/generate/video/{filename}": _files(),
    "GET /api/v1/generate/audio/{filename}": _files(),
    "GET /api/v1/generate/captions/{filename}": _files(),
    "GET /api/v1/generate/thumbnail/{filename}": _files(),
    "GET /api/v1/voices": _everybodys(),
    "GET /api/v1/models": _everybodys(),
    "GET /api/v1/jobs/{job_id}": _jobs(),
    "POST /api/v1/jobs/{job_id}/cancel": _jobs(),
    "GET /api/v1/usage": _keys_alone(),
    "GET /api/v1/webhooks/secret": _keys_alone(),
}

FILES = {
    "video": "output_{}.mp4",
    "audio": "audio_{}.mp3",
    "captions": "captions_{}.vtt",
    "thumbnail": "thumbnail_{}.jpg",
}


@dataclass(frozen=True)
class Asker:
    """Asks a path in one way."""

    credential: str | None = None
    link: Callable[[str], str] = str


@pytest.fixture(scope="module")
def askers(world: World) -> dict[str, Asker]:
    def linked(path: str, seconds_ago: int = 0) -> str:
        signed = path if scope_of(path) else f"/api/v1/generate/video/output_{world.job_id}.mp4"
        return f"{path}?{link_of(world.server, signed, seconds_ago).partition('?')[2]}"

    return {
        "no key": Asker(),
        "wrong key": Asker("ta_no-key-of-anybody"),
        "expired token": Asker(token_of(world.server, "key:alice", world.session_id, -1)),
        "provider's expired token": Asker(secret_token(exp=time.time() - 99)),
        "expired link": Asker(link=lambda path: linked(path, 3600)),
        "link": Asker(link=linked),
        "other": Asker(KEYS["bob"]),
        "page": Asker(world.minted(session_id=world.session_id)),
        "elsewhere": Asker(world.minted(session_id=world.other_session)),
        "spent": Asker(world.spent(session_id=world.session_id)),
        "own": Asker(KEYS["alice"]),
    }


def operations(world: World) -> Iterator[str]:
    document = world.server.http.get("/openapi.json").json()
    return (f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item)


def test_every_path_has_a_row_and_every_row_a_path(world: World) -> None:
    assert set(operations(world)) == set(ROWS)


@pytest.mark.parametrize("operation", sorted(ROWS))
def test_everybody_gets_what_is_theirs_and_nothing_else(operation: str, world: World, askers: dict[str, Asker]) -> None:
    row = ROWS[operation]
    names = names_of(world, operation)
    got = {who: status_of(world, operation, row, asker, names) for who, asker in askers.items()}
    assert got == row.expected()


def names_of(world: World, operation: str) -> dict[str, str]:
    """What the path's and the body's names stand for: Alice's, and her own for each operation that ends it."""
    kind = next((kind for kind in FILES if f"generate/{kind}/" in operation), "video")
    names = {
        "session_id": world.session_id,
        "avatar_id": world.avatar_id,
        "job_id": world.job_id,
        "stream_id": world.stream_id,
        "run": world.run,
        "number": "00000",
        "filename": FILES[kind].format(world.job_id),
    }
    if operation.startswith("DELETE /api/v1/session/"):
        names["session_id"] = world.new_session()
    elif operation.startswith("DELETE /api/v1/avatars/"):
        names["avatar_id"] = world.uploaded(b"no video")
    elif operation.endswith(("/content", "/complete")):
        names["avatar_id"] = world.announced(len(CONTENT))
    return names


def status_of(world: World, operation: str, row: Row, asker: Asker, names: dict[str, str]) -> int:
    method, _, template = operation.partition(" ")
    body = {name: filled(value, names) for name, value in row.body.items()}
    reply = world.ask(method, asker.link(filled(template, names)), asker.credential, **sent(row, body))
    if reply.status_code >= 400:
        assert set(reply.json()) >= {"error", "detail", "retryable", "request_id"}
    return reply.status_code


def sent(row: Row, body: dict[str, str]) -> dict[str, Any]:
    if row.form:
        return {"files": {"file": ("a.mp4", b"no video")}}
    if row.content:
        return {"content": CONTENT}
    return {"json": body} if body else {}


def filled(template: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], template)


HANDSHAKES = {"own": 101, "other": 101, "page": 101, "elsewhere": 101, "spent": 101}


def test_a_handshake_is_refused_to_whoever_has_nothing_to_show(world: World, askers: dict[str, Asker]) -> None:
    for who, asker in askers.items():
        headers = {} if asker.credential is None else {"Authorization": f"Bearer {asker.credential}"}
        assert handshake(world, headers=headers, query=asker.link("/x").partition("?")[2]) == HANDSHAKES.get(who, 401)


def test_a_page_shows_its_token_as_a_subprotocol_and_nothing_but_a_token(
    world: World, askers: dict[str, Asker]
) -> None:
    for who, asker in askers.items():
        if asker.credential is not None:
            expected = 101 if who in ("page", "elsewhere", "spent") else 401
            assert handshake(world, offered=["talking-avatar", f"token.{asker.credential}"]) == expected


def handshake(
    world: World, headers: dict[str, str] | None = None, offered: list[str] | None = None, query: str = ""
) -> int:
    """The status that a WebSocket's handshake is answered with; with a token in it, by the other name alone."""
    url = f"ws://127.0.0.1:{world.server.port}{STREAM}?{query}"
    names = [Subprotocol(name) for name in offered] if offered else None
    try:
        with connect(url, additional_headers=headers, subprotocols=names) as socket:
            assert socket.subprotocol == ("talking-avatar" if offered else None)
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
