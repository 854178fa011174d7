"""Nothing but what is meant to be open answers without a key."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount
from starlette.types import ASGIApp, Message

from engine.outages import StorageUnavailable
from engine.records import Records
from engine.store.local import LocalStore
from shim.app import Service, create_api, create_app
from shim.auth.gate import Browsers
from shim.auth.keys import ApiKey, hash_of
from shim.browsers.origins import Origins
from shim.browsers.reach import Reach
from shim.browsers.tokens import BrowserTokens
from shim.links import Links
from shim.settings import ShimSettings
from shim.signing import SigningSecret
from tests.shim.auth.signing import SECRET, Signer, provider, secret_token
from tests.shim.errors import error_of
from tests.shim.test_app import FailingBackend, ask

KEY = "ta_a-key-of-alice"
KEYS = (ApiKey("alice", hash_of(KEY)),)
OPEN = {"/", "/web/abc123", "/health", "/api/v1/health", "/ping", "/docs", "/docs/assets", "/openapi.json"}
STATUS = "/api/v1/session/abc123/status"


def service(folder: Path, **settings: Any) -> Service:
    store = LocalStore(folder / "store")
    backend = FailingBackend(StorageUnavailable("The storage is away. Try again."))
    return Service(backend, store, Records(store, lambda: datetime.now(UTC)), ShimSettings(**settings))


def routes(app: Any) -> Iterator[Any]:
    for route in app.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router)
        else:
            yield route


def asked_for(folder: Path) -> set[tuple[str, str]]:
    """Every method and path that the app has; WEBSOCKET is one of the methods."""
    found = set()
    served = service(folder)
    secret = SigningSecret(None, served.store)
    browsers = Browsers(BrowserTokens(secret, ()), Reach(lambda _: None), Origins((), local=False))
    for route in routes(create_api(served, secret, Links(secret, 60, is_guarded=True), browsers)):
        path = re.sub(r"\{[^}]*\}", "abc123", route.path)
        methods = {"GET"} if isinstance(route, Mount) else getattr(route, "methods", None) or {"WEBSOCKET"}
        found |= {(method, path) for method in methods}
    return found


def test_every_path_that_is_not_meant_to_be_open_is_closed(tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS))
    paths = asked_for(tmp_path)
    assert len(paths) > 20
    closed = {(method, path) for method, path in paths if path not in OPEN}
    assert ("POST", "/api/v1/generate/text-to-video") in closed
    assert ("WEBSOCKET", "/api/v1/generate/text-to-video-stream") in closed
    for method, path in sorted(closed):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
            if method == "WEBSOCKET":
                assert shaken(app, path, headers) == 401
            else:
                assert ask(app, method, path, headers=headers).status_code == 401, (method, path)


def test_what_is_open_answers_without_a_key(tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS))
    for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
        assert ask(app, "GET", path).status_code == 200
    for path in ("/health", "/api/v1/health"):
        error_of(ask(app, "GET", path), 503, "storage_unavailable")
    for path in ("/", "/ping"):
        assert ask(app, "GET", path).status_code != 401
    for path in (STATUS, "/nowhere"):
        assert ask(app, "OPTIONS", path).status_code != 401


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/Health", "/health/", "/%2Fhealth", "/docs/", "/docs/assets", "/docs/assets%2f..%2f..%2fetc", "/api"],
)
def test_what_only_resembles_an_open_path_opens_nothing(path: str, tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS))
    assert ask(app, "GET", path).status_code in (401, 404)
    assert ask(app, "GET", f"/docs/assets/../..{STATUS}").status_code in (401, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer   {KEY} "},
        {"X-API-Key": KEY},
        {"Authorization": "Basic YTpi", "X-API-Key": KEY},
    ],
)
def test_a_key_lets_in_either_way(headers: dict[str, str], tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS))
    error_of(ask(app, "GET", STATUS, headers=headers), 503, "storage_unavailable")
    assert shaken(app, "/nowhere", headers) == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Token {KEY}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {hash_of(KEY)}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": "Bearer wrong", "X-API-Key": KEY},
        {"X-API-Key": b"\xff\x00\xe4"},
        {"X-API-Key": "x" * 60_000},
    ],
)
def test_a_refusal_says_what_to_send_and_repeats_nothing(headers: dict[str, Any], tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS))
    reply = ask(app, "GET", STATUS, headers=headers)
    body = error_of(reply, 401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert body["retryable"] is False
    for secret in (KEY, hash_of(KEY), "wrong"):
        assert secret not in reply.text


def test_tokens_and_keys_stand_beside_each_other(tmp_path: Path) -> None:
    app = create_app(service(tmp_path, api_keys=KEYS, jwt_secret=SECRET))
    for credential in (KEY, secret_token()):
        assert ask(app, "GET", STATUS, headers={"Authorization": f"Bearer {credential}"}).status_code == 503
    expired = ask(app, "GET", STATUS, headers={"Authorization": f"Bearer {secret_token(exp=time.time() - 99)}"})
    assert "expired" in error_of(expired, 401, "unauthorized")["detail"]


def test_tokens_of_a_provider_let_in_and_its_absence_is_503(tmp_path: Path) -> None:
    signer = Signer.rsa("one")
    headers = {"Authorization": f"Bearer {signer.token()}"}
    with provider(signer) as served:
        app = create_app(service(tmp_path, jwt_jwks=served.url))
        error_of(ask(app, "GET", STATUS, headers=headers), 503, "storage_unavailable")
        served.status = 500
        away = create_app(service(tmp_path, jwt_jwks=served.url))
        reply = ask(away, "GET", STATUS, headers=headers)
        error_of(reply, 503, "token_keys_unavailable")
        assert reply.headers["retry-after"]


def test_without_keys_everybody_is_let_in(tmp_path: Path) -> None:
    app = create_app(service(tmp_path))
    error_of(ask(app, "GET", STATUS), 503, "storage_unavailable")
    document = ask(app, "GET", "/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    assert not any(
        "401" in operation["responses"] for item in document["paths"].values() for operation in item.values()
    )


def test_the_description_says_which_paths_need_a_key(tmp_path: Path) -> None:
    document = ask(create_app(service(tmp_path, api_keys=KEYS)), "GET", "/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    for path, item in document["paths"].items():
        for operation in item.values():
            needed = path not in OPEN
            assert operation["security"] == ([{"bearer": []}, {"key": []}] if needed else [])
            assert ("401" in operation["responses"]) is needed


def shaken(app: ASGIApp, path: str, headers: dict[str, Any]) -> int:
    """The status that a WebSocket's handshake is answered with."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in httpx.Headers(headers).raw],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "scheme": "ws",
        "server": ("test", 80),
    }

    async def scenario() -> None:
        await app(scope, receive, send)

    asyncio.run(scenario())
    assert sent[0]["type"] == "websocket.http.response.start", sent[0]
    return int(sent[0]["status"])
