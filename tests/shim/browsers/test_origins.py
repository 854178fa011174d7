"""Which pages may ask: by CORS, by the WebSocket's own look, and by the name that the server is asked by."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Message

from engine.errors import ConfigurationError
from shim.app import create_app
from shim.auth.keys import ApiKey, hash_of
from shim.browsers.origins import READ_HEADERS, SENT_HEADERS
from shim.browsers.tokens import BrowserTokens
from shim.callers import ANYBODY, Caller, Grant
from shim.settings import read_shim_settings
from shim.signing import SigningSecret
from tests.shim.auth.test_gate import KEY, service
from tests.shim.browsers.world import OWN_SECRET, SHOP, bearer
from tests.shim.errors import error_of
from tests.shim.test_app import ask

STATUS = "/api/v1/session/abc123/status"
STREAM = "/api/v1/generate/text-to-video-stream"
LOCAL = "http://localhost:5173"
EVIL = "https://evil.example"
REACHED = 503
"""What the backend behind these gates answers everything with."""


def open_app(folder: Path, **settings: Any) -> ASGIApp:
    return create_app(service(folder, signing_secret=SecretStr(OWN_SECRET), **settings))


def guarded_app(folder: Path, **settings: Any) -> ASGIApp:
    return open_app(folder, api_keys=(ApiKey("alice", hash_of(KEY)),), **settings)


def token(folder: Path, origins: tuple[str, ...], minter: Caller = ANYBODY) -> str:
    secret = SigningSecret(SecretStr(OWN_SECRET), service(folder).store)
    now = int(time.time())
    return BrowserTokens(secret, (minter,)).mint(minter, Grant("0123", "abc123", None, origins), now, now + 60)


def allowed(app: ASGIApp, origin: str, path: str = STATUS, **headers: str) -> str | None:
    """Which origin may read the answer."""
    reply = ask(app, "GET", path, headers={"Origin": origin, **headers})
    told: str | None = reply.headers.get("access-control-allow-origin")
    return told


@pytest.mark.parametrize("origin", [LOCAL, "http://127.0.0.1:1", "https://[::1]:8443", "http://localhost"])
def test_pages_of_this_machine_may_while_the_server_is_its_own(origin: str, tmp_path: Path) -> None:
    assert allowed(open_app(tmp_path), origin) == origin
    assert allowed(guarded_app(tmp_path), origin) is None
    assert allowed(open_app(tmp_path, host="0.0.0.0", allow_anonymous=True), origin) is None


@pytest.mark.parametrize(
    "origin",
    [EVIL, "null", "http://localhost.evil.example", "http://localhost:5173.evil.example", "http://127.0.0.1@evil.example",
     "file://", "http://LOCALHOST:x", "", "http://127.0.0.2:80"],
)  # fmt: skip
def test_others_may_not(origin: str, tmp_path: Path) -> None:
    assert allowed(open_app(tmp_path, cors_origins=(SHOP,)), origin) is None


def test_listed_origins_may_and_read_refusals_too(tmp_path: Path) -> None:
    app = guarded_app(tmp_path, cors_origins=(SHOP,))
    reply = ask(app, "GET", STATUS, headers={"Origin": SHOP})
    error_of(reply, 401, "unauthorized")
    assert reply.headers["access-control-allow-origin"] == SHOP
    assert "Origin" in reply.headers["vary"]
    exposed = {name.strip() for name in reply.headers["access-control-expose-headers"].split(",")}
    assert exposed == set(READ_HEADERS)
    assert exposed >= {"X-Request-ID", "X-Job-Id", "X-Stream-Url", "X-Hls-Url", "Location", "Retry-After"}
    assert exposed >= {"RateLimit", "RateLimit-Remaining", "Content-Range", "Accept-Ranges", "ETag", "Content-Length"}
    assert "access-control-allow-credentials" not in reply.headers
    assert allowed(app, EVIL) is None


def test_a_star_lets_every_page_read(tmp_path: Path) -> None:
    assert allowed(guarded_app(tmp_path, cors_origins=("*",)), EVIL) == "*"


def test_a_preflight_needs_no_key_and_allows_what_clients_send(tmp_path: Path) -> None:
    app = guarded_app(tmp_path, cors_origins=(SHOP,))
    for method in ("GET", "POST", "DELETE"):
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(SENT_HEADERS).lower(),
        }
        reply = ask(app, "OPTIONS", STREAM, headers={"Origin": SHOP, **asked})
        assert reply.status_code == 200
        assert method in reply.headers["access-control-allow-methods"]
        assert reply.headers["access-control-allow-origin"] == SHOP
        assert ask(app, "OPTIONS", STREAM, headers={"Origin": EVIL, **asked}).status_code == 400
    assert {"Authorization", "X-API-Key", "Idempotency-Key", "Range", "Content-Type"} <= set(SENT_HEADERS)


def test_the_servers_own_scripts_are_every_pages(tmp_path: Path) -> None:
    reply = ask(guarded_app(tmp_path), "GET", "/web/talking-avatar.js", headers={"Origin": EVIL})
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    assert allowed(guarded_app(tmp_path), EVIL, "/openapi.json") is None


@pytest.mark.parametrize("value", ["https://shop.example/path", "shop.example", "https://*.example", "null", "ftp://x"])
def test_what_is_no_origin_is_refused_at_the_start(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"https://fine.example,{value}")
    with pytest.raises(ConfigurationError, match="CORS_ORIGINS"):
        read_shim_settings()


def test_origins_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", " https://Shop.example/ ,http://localhost:3000, ")
    assert read_shim_settings().cors_origins == ("https://shop.example", "http://localhost:3000")


# What CORS leaves open: forms, and WebSockets.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, REACHED),
        ({"Origin": LOCAL}, REACHED),
        ({"Origin": "http://localhost"}, REACHED),
        ({"Origin": EVIL, "Sec-Fetch-Site": "same-origin"}, REACHED),
        ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_no_other_page_changes_anything_where_no_key_is_asked_for(
    headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    app = open_app(tmp_path)
    for method, path in (("POST", "/api/v1/session/create"), ("DELETE", "/api/v1/session/abc123")):
        reply = ask(app, method, path, headers={"Content-Type": "text/plain", **headers}, content="{}")
        assert reply.status_code == status
        if status == 403:
            error_of(reply, 403, "origin_not_allowed")
    assert shaken(app, headers=headers) == (101 if status == REACHED else 403)


def test_with_keys_a_server_of_ones_own_may_pass_an_origin_on_but_no_page_opens_a_socket(tmp_path: Path) -> None:
    app = guarded_app(tmp_path)
    headers = {"Origin": EVIL, **bearer(KEY)}
    assert ask(app, "POST", "/api/v1/session/create", headers=headers, json={}).status_code == REACHED
    assert shaken(app, headers=headers) == 403
    assert shaken(app, headers=bearer(KEY)) == 101


def test_a_socket_is_opened_by_the_servers_own_page_behind_a_proxy(tmp_path: Path) -> None:
    app = open_app(tmp_path, host="0.0.0.0", allow_anonymous=True)
    for host, origin, status in (
        ("avatars.example", "https://avatars.example", 101),
        ("avatars.example:443", "https://avatars.example", 101),
        ("avatars.example:8000", "http://avatars.example:8000", 101),
        ("avatars.example", "https://avatars.example:8443", 403),
        ("avatars.example", "https://evil.example", 403),
        ("", "https://", 403),
    ):
        assert shaken(app, headers={"Host": host, "Origin": origin}) == status, (host, origin)


# Tokens of pages.


@pytest.mark.parametrize("origins", [(), (SHOP,)])
def test_a_token_is_for_its_pages(origins: tuple[str, ...], tmp_path: Path) -> None:
    app = open_app(tmp_path, cors_origins=(SHOP, "https://other.example"))
    shown = bearer(token(tmp_path, origins))
    for origin, elsewhere in ((SHOP, REACHED), ("https://other.example", 403 if origins else REACHED), (EVIL, 403)):
        for method, path in (("GET", STATUS), ("POST", STREAM)):
            body = {"json": {"session_id": "abc123", "text": "Hello"}} if method == "POST" else {}
            reply = ask(app, method, path, headers={**shown, "Origin": origin}, **body)
            assert reply.status_code == elsewhere or (path == STREAM and reply.json()["error"] == "token_spent"), origin
        assert shaken(app, headers={**shown, "Origin": origin}) == (101 if elsewhere == REACHED else 403)


def test_a_token_with_origins_wants_to_be_told_one_for_what_it_changes(tmp_path: Path) -> None:
    app = open_app(tmp_path, cors_origins=(SHOP,))
    shown = bearer(token(tmp_path, (SHOP,)))
    assert ask(app, "GET", STATUS, headers=shown).status_code == REACHED
    error_of(ask(app, "POST", STREAM, headers=shown, json={}), 403, "origin_not_allowed")
    assert shaken(app, headers=shown) == 403


def test_where_everybody_is_let_in_a_token_that_is_shown_keeps_its_limits(tmp_path: Path) -> None:
    app, shown = open_app(tmp_path), bearer(token(tmp_path, ()))
    assert ask(app, "GET", STATUS, headers=shown).status_code == REACHED
    error_of(ask(app, "GET", "/api/v1/session/other/status", headers=shown), 404, "session_not_found")
    error_of(ask(app, "DELETE", "/api/v1/session/abc123", headers=shown), 403, "forbidden")
    forged = bearer(token(tmp_path, (), Caller("key:alice", "alice", "key")))
    error_of(ask(app, "GET", STATUS, headers=forged), 401, "unauthorized")
    assert ask(app, "GET", STATUS, headers=bearer("whatever else")).status_code == REACHED


def test_what_a_socket_offers_as_a_token_has_to_be_one_also_where_nobody_is_asked(tmp_path: Path) -> None:
    app = open_app(tmp_path)
    for offered, status in (
        (token(tmp_path, ()), 101),
        (token(tmp_path, ()) + "x", 401),
        (KEY, 401),
        ("", 401),
    ):
        assert shaken(app, {}, ("talking-avatar", f"token.{offered}")) == status
    assert shaken(app, {}, ("talking-avatar",)) == 101
    assert shaken(guarded_app(tmp_path), bearer(KEY), ("talking-avatar", f"token.{KEY}")) == 401


# DNS rebinding.


@pytest.mark.parametrize("path", [STATUS, "/", "/metrics", "/openapi.json"])
def test_a_server_of_ones_own_answers_to_no_other_name(path: str, tmp_path: Path) -> None:
    app = open_app(tmp_path)
    for host in (
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "0.0.0.0",
    ):
        error_of(ask(app, "GET", path, headers={"Host": host}), 403, "origin_not_allowed")
        assert shaken(app, headers={"Host": host}) == 403
    for host in ("localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "studio.localhost"):
        assert ask(app, "GET", path, headers={"Host": host}).status_code != 403


def test_a_server_for_everybody_answers_to_every_name(tmp_path: Path) -> None:
    for app in (guarded_app(tmp_path), open_app(tmp_path, allow_anonymous=True)):
        assert ask(app, "GET", "/openapi.json", headers={"Host": "avatars.example"}).status_code == 200


# Security headers.


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("/", "same-origin"),
        ("/docs", "same-origin"),
        (STATUS, "same-origin"),
        ("/nowhere", "same-origin"),
        ("/metrics", "same-origin"),
        ("/api/v1/generate/video/output_x.mp4", "cross-origin"),
        ("/api/v1/generate/stream/x/index.m3u8", "cross-origin"),
    ],
)
@pytest.mark.parametrize("make", [open_app, guarded_app])
def test_every_answer_says_what_it_is_not_for(make: Any, path: str, use: str, tmp_path: Path) -> None:
    headers = ask(make(tmp_path), "GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == use
    assert headers["permissions-policy"]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    scripts = [part for part in policy.split(";") if part.strip().startswith("script-src")]
    assert not any("unsafe-inline" in part for part in scripts)


def shaken(app: ASGIApp, headers: dict[str, str], offered: tuple[str, ...] = ()) -> int:
    """The status of a WebSocket's handshake from this machine."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect" if not sent else "websocket.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    given = httpx.Headers({"Host": "localhost", **headers})
    scope = {
        "type": "websocket",
        "path": STREAM,
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in given.raw],
        "subprotocols": list(offered),
        "extensions": {"websocket.http.response": {}},
        "scheme": "ws",
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0]["status"])
