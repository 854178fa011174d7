"""Who may read /metrics."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from engine.clock import utc_now
from engine.outages import StorageUnavailable
from engine.records import Records
from engine.store.local import LocalStore
from shim.app import Service, create_app
from shim.settings import ShimSettings
from tests.shim.test_app import FailingBackend

TOKEN = "a-token-for-prometheus"


def ask(folder: Path, token: str | None, client: tuple[str, int] = ("127.0.0.1", 1), **headers: str) -> httpx.Response:
    store = LocalStore(folder)
    settings = ShimSettings.model_validate({"store_dir": folder, "metrics_token": token})
    backend = FailingBackend(StorageUnavailable("The storage is away."))
    app = create_app(Service(backend, store, Records(store, utc_now), settings))

    given = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=given) as http:
            return await http.get("/metrics")

    return asyncio.run(scenario())


def test_without_a_token_this_machine_alone_reads_it(tmp_path: Path) -> None:
    assert ask(tmp_path, None).status_code == 200
    assert ask(tmp_path, None, ("::1", 1)).status_code == 200
    refused = ask(tmp_path, None, ("192.0.2.7", 1))
    assert (refused.status_code, refused.json()["error"]) == (404, "not_found")
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7"])
def test_with_a_token_its_holder_alone_reads_it(tmp_path: Path, address: str) -> None:
    assert ask(tmp_path, TOKEN, (address, 1), Authorization=f"Bearer {TOKEN}").status_code == 200
    for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer é"}):
        assert ask(tmp_path, TOKEN, (address, 1), **wrong).status_code == 404


def test_a_blank_token_is_none(tmp_path: Path) -> None:
    assert ask(tmp_path, " ", Authorization="Bearer ").status_code == 200
    assert ask(tmp_path, " ", ("192.0.2.7", 1), Authorization="Bearer ").status_code == 404


def test_the_page_is_there_while_the_backend_is_away(tmp_path: Path) -> None:
    assert "avatar_healthy 0.0" in ask(tmp_path, None).text
