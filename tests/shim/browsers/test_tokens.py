"""Tokens for browsers: what is minted, by whom, and that nothing else is taken for one."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from engine.errors import Unauthorized
from engine.store.local import LocalStore
from shim.auth.tokens import SharedSecret, TokenCheck
from shim.browsers.tokens import BrowserTokens, is_browser_token
from shim.callers import ANYBODY, Caller, Grant
from shim.signing import SigningSecret
from tests.shim.auth.signing import secret_token
from tests.shim.browsers.world import GENERATE, KEYS, SHOP, SOUND, STREAM, World, bearer
from tests.shim.errors import error_of
from tests.shim.waiting import wait_until

SECRET = "s" * 40
ALICE = Caller("key:alice", "alice", "key")
GRANT = Grant("0123456789abcdef", "abc123", None, (SHOP,))
TOKENS = "/api/v1/tokens"


def tokens(folder: Path, minters: tuple[Caller, ...] = (ALICE,), secret: str = SECRET) -> BrowserTokens:
    return BrowserTokens(SigningSecret(SecretStr(secret), LocalStore(folder)), minters)


def minted(of: BrowserTokens, minter: Caller = ALICE, seconds: int = 60) -> str:
    now = int(time.time())
    return of.mint(minter, GRANT, now, now + seconds)


def test_a_token_is_its_minters_with_what_it_was_minted_for(tmp_path: Path) -> None:
    token = minted(tokens(tmp_path))
    assert is_browser_token(token)
    assert asyncio.run(tokens(tmp_path).caller(token)) == Caller("key:alice", "alice", "browser", GRANT)
    assert "alice" not in str(jwt.decode(token, options={"verify_signature": False}))


def test_with_its_key_a_token_goes(tmp_path: Path) -> None:
    token = minted(tokens(tmp_path))
    for minters in ((), (Caller("key:bob", "bob", "key"),), (ANYBODY,)):
        with pytest.raises(Unauthorized):
            asyncio.run(tokens(tmp_path, minters).caller(token))


def test_an_expired_or_foreign_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unauthorized, match="expired"):
        asyncio.run(tokens(tmp_path).caller(minted(tokens(tmp_path), seconds=-1)))
    with pytest.raises(Unauthorized, match="not valid"):
        asyncio.run(tokens(tmp_path).caller(minted(tokens(tmp_path, secret="t" * 40))))


@pytest.mark.parametrize("change", [{"alg": "none"}, {"alg": "HS512"}])
def test_no_other_algorithm_counts(change: dict[str, str], tmp_path: Path) -> None:
    claims = jwt.decode(minted(tokens(tmp_path)), options={"verify_signature": False})
    key = "" if change["alg"] == "none" else SECRET * 2
    forged = jwt.encode(claims, key, change["alg"], {"typ": "talking-avatar+jwt"})
    with pytest.raises(Unauthorized):
        asyncio.run(tokens(tmp_path).caller(forged))


def test_neither_kind_of_token_is_taken_for_the_other_although_one_secret_signs_both(tmp_path: Path) -> None:
    token = minted(tokens(tmp_path))
    with pytest.raises(Unauthorized):
        asyncio.run(TokenCheck(SharedSecret(SECRET), None, None).caller(token))
    providers = secret_token(SECRET, iss="talking-avatar", aud="talking-avatar/browser", jti="x", sub="abc")
    assert not is_browser_token(providers)
    with pytest.raises(Unauthorized):
        asyncio.run(tokens(tmp_path).caller(providers))


@pytest.mark.parametrize("word", ["", "ta_abc", "a.b.c", "token", "\0", "é" * 100, "x" * 100_000])
def test_what_is_no_token_is_none(word: str) -> None:
    assert not is_browser_token(word)


def test_keys_of_the_configuration_mint(world: World) -> None:
    before = time.time()
    asked = {"session_id": world.session_id, "origins": [SHOP], "generations": 3, "expires_in": 60}
    reply = world.alice("POST", TOKENS, json=asked)
    body = reply.json()
    assert set(body) == {"token", "token_id", "expires_at", "generations"}
    assert body["generations"] == 3
    assert reply.headers["cache-control"] == "no-store"
    expires_at = jwt.decode(body["token"], options={"verify_signature": False})["exp"]
    assert before + 58 < expires_at < time.time() + 61
    assert world.server.stored.keys(f"tokens/{body['token_id']}.json")


@pytest.mark.parametrize("kind", ["page", "provider"])
def test_no_token_mints_another(kind: str, world: World) -> None:
    token = world.minted(session_id=world.session_id) if kind == "page" else secret_token()
    error_of(world.ask("POST", TOKENS, token, json={"session_id": world.session_id}), 403, "forbidden")


@pytest.mark.parametrize(
    ("fields", "status", "code", "told"),
    [
        ({}, 400, "invalid_input", "either"),
        ({"session_id": "abc123", "avatar_id": "abc123"}, 400, "invalid_input", "either"),
        ({"session_id": "../x"}, 400, "invalid_input", "session_id"),
        ({"session_id": "abc123", "generations": 0}, 400, "invalid_input", "generations"),
        ({"session_id": "abc123", "generations": 1001}, 400, "invalid_input", "generations"),
        ({"session_id": "abc123", "generations": True}, 400, "invalid_input", "generations"),
        ({"session_id": "abc123", "expires_in": 3601}, 400, "invalid_input", "expires_in"),
        ({"session_id": "abc123", "orgins": []}, 400, "invalid_input", "orgins"),
        ({"session_id": "abc123", "origins": ["https://evil.example"]}, 400, "invalid_input", "CORS_ORIGINS"),
        ({"session_id": "abc123", "origins": [f"{SHOP}/"]}, 400, "invalid_input", "as browsers do"),
        ({"session_id": "abc123", "origins": ["*"]}, 400, "invalid_input", "as browsers do"),
        ({"session_id": "abc123", "origins": [SHOP] * 11}, 400, "invalid_input", "origins"),
        ({"session_id": "abc123"}, 404, "session_not_found", "abc123"),
        ({"avatar_id": "abc123"}, 404, "avatar_not_found", "abc123"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    fields: dict[str, Any], status: int, code: str, told: str, world: World
) -> None:
    assert told in error_of(world.alice("POST", TOKENS, json=fields), status, code)["detail"]


def test_an_avatars_token_creates_sessions_of_it_and_uses_those_alone(world: World) -> None:
    token = world.minted(avatar_id=world.avatar_id, generations=2)
    created = world.ask("POST", "/api/v1/session/create", token, json={"avatar_video_path": world.avatar_id})
    session_id = created.json()["session_id"]
    status = f"/api/v1/session/{session_id}/status"
    wait_until(lambda: world.ask("GET", status, token).json()["status"] == "ready")
    video = world.ask("POST", GENERATE, token, json={"session_id": session_id, "audio_base64": SOUND})
    assert world.server.http.get(video.json()["video_url"]).status_code == 200
    job = f"/api/v1/jobs/{video.json()['job_id']}"
    other = world.minted(avatar_id=world.avatar_id)
    for credential, expected in ((token, 200), (KEYS["alice"], 200), (other, 404), (KEYS["bob"], 404)):
        for path in (status, job):
            assert world.ask("GET", path, credential).status_code == expected
    # Not Alice's other sessions, and none of its own naming, avatar or preparation.
    assert world.ask("GET", f"/api/v1/session/{world.session_id}/status", token).status_code == 404
    for body in (
        {},
        {"avatar_video_path": None},
        {"avatar_video_path": "other.mp4"},
        {"avatar_video_path": world.avatar_id, "session_id": "mine"},
        {"avatar_video_path": world.avatar_id, "extra_margin": 20},
    ):
        error_of(world.ask("POST", "/api/v1/session/create", token, json=body), 403, "forbidden")


def test_two_pages_with_the_same_idempotency_key_are_told_nothing_of_each_other(world: World) -> None:
    body = {"avatar_video_path": world.avatar_id}
    sessions = set()
    for token in (world.minted(avatar_id=world.avatar_id) for _ in range(2)):
        headers = {"Idempotency-Key": "first-visit"}
        made = [world.ask("POST", "/api/v1/session/create", token, json=body, headers=headers) for _ in range(2)]
        assert made[0].json() == made[1].json()
        sessions.add(made[0].json()["session_id"])
    assert len(sessions) == 2


@pytest.mark.parametrize("path", ["/api/v1/limits/x", "/api/v1/voices/", "/api/v1/", "/nowhere", "/metrics/x",
                                  "/api/v1/session/create/x", "/api/v1/generate/text-to-video-stream/x"])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_path_that_nobody_thought_of_is_closed_to_pages(method: str, path: str, world: World) -> None:
    token = world.minted(session_id=world.session_id)
    error_of(world.ask(method, path, token), 403, "forbidden")


def test_asynchronous_jobs_count_and_are_the_pages_own(world: World) -> None:
    token = world.minted(session_id=world.session_id, generations=1)
    body = {"session_id": world.session_id, "audio_base64": SOUND}
    accepted = world.ask("POST", f"{GENERATE}?async=true", token, json=body)
    assert accepted.status_code == 202, accepted.text
    where = accepted.headers["location"]
    wait_until(lambda: world.ask("GET", where, token).json()["status"] == "done")
    result = world.ask("GET", where, token).json()["result"]
    assert world.server.http.get(result["video_url"]).status_code == 200
    error_of(world.ask("POST", f"{GENERATE}?async=true", token, json=body), 403, "token_spent")


@pytest.mark.parametrize("avatar", ["https://127.0.0.1/face.mp4", "nobody", "../secrets/signing", "https://[/"])
@pytest.mark.parametrize("path", [GENERATE, STREAM, f"{GENERATE}?async=true", f"{STREAM}?async=true"])
def test_a_page_learns_nothing_of_avatars_that_it_names(path: str, avatar: str, world: World) -> None:
    token = world.minted(session_id=world.session_id)
    body = {"avatar_video_path": avatar, "audio_base64": SOUND}
    error_of(world.ask("POST", path, token, json=body), 403, "forbidden")


def test_a_page_learns_nothing_of_other_sessions(world: World) -> None:
    token = world.minted(session_id=world.session_id)
    body = {"session_id": world.other_session, "audio_url": "https://127.0.0.1/sound.mp3"}
    error_of(world.ask("POST", f"{GENERATE}?async=true", token, json=body), 404, "session_not_found")


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/usage", "/api/v1/limits", "/api/v1/nowhere"])
def test_what_says_nothing_of_it_is_kept_by_nobody(path: str, world: World) -> None:
    assert world.ask("GET", path, KEYS["alice"]).headers["cache-control"] == "no-store"
    assert world.ask("GET", path).headers["cache-control"] == "no-store"


def test_no_secret_reaches_the_log(world: World) -> None:
    token = world.minted(session_id=world.session_id)
    video = world.ask("POST", STREAM, token, json={"session_id": world.session_id, "audio_base64": SOUND})
    link = video.headers["x-stream-url"]
    assert world.server.http.get(link).status_code == 200
    assert httpx.get(f"{world.server.url}/nowhere?signature=leaked-word", headers=bearer(token)).status_code == 403
    log = world.server.log()
    assert "/api/v1/generate/stream/" in log
    for secret in (token, token.rpartition(".")[2], link.partition("signature=")[2], "leaked-word", *KEYS.values()):
        assert secret not in log
    assert not re.search(r"signature=|token\.ey", log)
