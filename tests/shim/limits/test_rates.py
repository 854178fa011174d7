"""How often callers may ask, and how they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from engine.errors import InvalidInput
from shim.app import create_app
from shim.auth.keys import ApiKey, hash_of
from shim.callers import Caller, Grant
from shim.limits.rates import RATE_HEADERS, counted_as
from shim.settings import ShimSettings
from tests.shim.auth.test_gate import service
from tests.shim.errors import error_of
from tests.shim.test_app import FailingBackend

STATUS = "/api/v1/session/abc123/status"
CREATE = "/api/v1/session/create"
REACHED = 400
"""What the backend behind the limits answers to everything."""

ALICE, BOB = "ta_a-key-of-alice", "ta_a-key-of-bob"
KEYS = (ApiKey("alice", hash_of(ALICE)), ApiKey("bob", hash_of(BOB)))

Asking = Callable[..., Awaitable[httpx.Response]]


def scenario(folder: Path, steps: Callable[[Asking], Awaitable[None]], **settings: Any) -> None:
    """Run the steps with what asks a server of these settings, once."""
    made = service(folder, **{"create_rate": "2/minute", "status_rate": "3/minute", **settings})
    assert isinstance(made.backend, FailingBackend)
    made.backend.error = InvalidInput("Reached.")
    app = create_app(made)

    async def ask(method: str, path: str, peer: str = "192.0.2.7", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(peer, 1))
        sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=sent) as http:
            return await http.request(method, path)

    async def run() -> None:
        await steps(ask)

    asyncio.run(run())


def test_the_third_creation_of_two_is_refused(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        for remaining in ("1", "0"):
            reply = await ask("POST", CREATE)
            assert (reply.status_code, reply.headers["ratelimit-remaining"]) == (REACHED, remaining)
        refused = await ask("POST", CREATE)
        told = error_of(refused, 429, "rate_limited")
        assert told["detail"].startswith("Sessions may be created only 2 times in 60 s.")
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"] == "60"
        assert (await ask("POST", CREATE, peer="192.0.2.8")).status_code == REACHED

    scenario(tmp_path, steps)


def test_replies_tell_how_much_is_left(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        headers = (await ask("GET", STATUS)).headers
        assert {name: headers[name] for name in RATE_HEADERS} == {
            "RateLimit": '"status";r=2;t=60',
            "RateLimit-Policy": '"status";q=3;w=60',
            "RateLimit-Limit": "3",
            "RateLimit-Remaining": "2",
            "RateLimit-Reset": "60",
        }
        unlimited = (await ask("GET", "/api/v1/health")).headers
        assert not [name for name in RATE_HEADERS if name in unlimited]

    scenario(tmp_path, steps)


def test_each_session_is_counted_apart(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        assert [(await ask("GET", STATUS)).status_code for _ in range(4)] == [REACHED] * 3 + [429]
        assert (await ask("GET", "/api/v1/session/other/status")).status_code == REACHED

    scenario(tmp_path, steps)


def test_what_is_no_such_request_is_not_counted(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        for _ in range(3):
            assert (await ask("OPTIONS", CREATE)).status_code != 429
            assert (await ask("GET", CREATE)).status_code == 405
            assert (await ask("DELETE", STATUS.removesuffix("/status"))).status_code == REACHED
        assert (await ask("POST", CREATE)).headers["ratelimit-remaining"] == "1"

    scenario(tmp_path, steps)


@pytest.mark.parametrize(("method", "path"), [("POST", CREATE), ("GET", STATUS)])
def test_no_other_spelling_of_a_path_goes_uncounted(method: str, path: str, tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        for ending in ("%0A", "%0D", "%00", "/", "%20", ";x"):
            assert (await ask(method, path + ending)).status_code in (404, 405), ending
        for spelling in (path.replace("session", "%73ession"), f"{path}?x=1"):
            assert "ratelimit-remaining" in (await ask(method, spelling)).headers

    scenario(tmp_path, steps)


def test_owners_are_counted_wherever_they_ask_from(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        replies = [await ask("POST", CREATE, peer=f"192.0.2.{n}", X_API_Key=ALICE) for n in range(3)]
        assert [reply.status_code for reply in replies] == [REACHED, REACHED, 429]
        assert (await ask("POST", CREATE, X_API_Key=BOB)).status_code == REACHED

    scenario(tmp_path, steps, api_keys=KEYS)


def test_who_is_not_let_in_is_not_counted(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        assert [(await ask("POST", CREATE)).status_code for _ in range(3)] == [401] * 3
        assert (await ask("POST", CREATE, X_API_Key=ALICE)).headers["ratelimit-remaining"] == "1"

    scenario(tmp_path, steps, api_keys=KEYS)


def test_a_browsers_token_is_counted_for_itself() -> None:
    grant = Grant("token-1", "abc123", None, ())
    browser = Caller("key:alice", "alice", "browser", grant)
    assert counted_as(browser) != counted_as(Caller("key:alice", "alice", "key"))


def test_an_owner_is_never_an_address() -> None:
    assert counted_as(Caller("192.0.2.7", "x", "token")) != counted_as(
        Caller(None, "x", "anybody", address="192.0.2.7")
    )


def test_addresses_of_one_network_are_one_client(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        replies = [await ask("POST", CREATE, peer=f"2001:db8::{n}") for n in range(3)]
        assert [reply.status_code for reply in replies] == [REACHED, REACHED, 429]
        assert (await ask("POST", CREATE, peer="2001:db8:0:1::1")).status_code == REACHED

    scenario(tmp_path, steps)


def test_a_client_does_not_choose_its_address(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        replies = [await ask("POST", CREATE, X_Forwarded_For=f"203.0.113.{n}") for n in range(3)]
        assert [reply.status_code for reply in replies] == [REACHED, REACHED, 429]

    scenario(tmp_path, steps)


def test_a_trusted_proxy_tells_clients_apart(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        replies = [await ask("POST", CREATE, "10.0.0.1", X_Forwarded_For=f"203.0.113.{n}") for n in range(3)]
        assert [reply.status_code for reply in replies] == [REACHED] * 3
        forged = [await ask("POST", CREATE, "10.0.0.1", X_Forwarded_For=f"1.1.1.{n}, 203.0.113.9") for n in range(3)]
        assert [reply.status_code for reply in forged] == [REACHED, REACHED, 429]

    scenario(tmp_path, steps, trusted_proxies="10.0.0.0/8")


def test_metrics_stay_with_this_machine_behind_a_trusted_proxy(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        assert (await ask("GET", "/metrics", "127.0.0.1")).status_code == 200
        for forwarded in ("203.0.113.9", "127.0.0.1", "", "unknown"):
            assert (await ask("GET", "/metrics", "127.0.0.1", X_Forwarded_For=forwarded)).status_code == 404

    scenario(tmp_path, steps, trusted_proxies="127.0.0.1")


def test_empty_rates_limit_nothing(tmp_path: Path) -> None:
    async def steps(ask: Asking) -> None:
        for _ in range(120):
            reply = await ask("GET", STATUS)
        assert (reply.status_code, "ratelimit" in reply.headers) == (REACHED, False)
        assert [(await ask("POST", CREATE)).status_code for _ in range(12)] == [REACHED] * 12

    scenario(tmp_path, steps, create_rate="", status_rate=" ")


def test_the_contracts_rates_hold_where_nothing_is_set() -> None:
    settings = ShimSettings()
    assert (settings.create_rate, settings.status_rate, settings.session_generations) == ("10/minute", "100/minute", 5)


def test_empty_variables_set_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREATE_RATE", "STATUS_RATE", "SESSION_GENERATIONS", "REDIS_URL", "TRUSTED_PROXIES"):
        monkeypatch.setenv(name, "")
    settings = ShimSettings()
    assert (settings.create_rate, settings.status_rate, settings.session_generations) == ("", "", None)
    assert (settings.redis_url, settings.trusted_proxies) == (None, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("create_rate", "ten a minute"),
        ("create_rate", "0/minute"),
        ("create_rate", "10/fortnight"),
        ("status_rate", "-5/minute"),
        ("redis_url", "http://localhost:6379"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("trusted_proxies", "proxy.example"),
        ("session_generations", "0"),
    ],
)
def test_what_cant_be_read_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        ShimSettings.model_validate({name: value})
