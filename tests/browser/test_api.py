"""The REST server in a browser: its page, and a video that plays while the server makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.server_process import Server
from tests.worker.clips import talking_head
from tests.worker.worker_process import Ground

STREAM = "/api/v1/generate/text-to-video-stream"
TEXT = "One, two, three, four, five, six."

PLAY = (Path(__file__).parent / "pages" / "play.js").read_text()


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, moto: S3Endpoint
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("browsed")
    with BACKENDS[request.param](Ground(folder, talking_head(folder / "tiny.mp4")).make(), moto) as server:
        yield server


@pytest.mark.parametrize("feed", ["blob", "chunks", "socket", "stream", "hls"])
def test_a_streamed_video_plays_to_its_last_frame(page: Page, server: Server, feed: str) -> None:
    page.goto(f"{server.url}/docs")
    body = f'{{"session_id": "{server.ready()}", "text": "{TEXT}"}}'
    played: dict[str, Any] = page.evaluate(PLAY, [STREAM, body, feed])
    made = server.stored.job(played["job"])["result"]
    assert played["error"] is None
    assert played["total"] == made["frames"] > 50
    # A busy machine may miss a picture.
    assert played["shown"] >= 0.9 * made["frames"]


def test_the_page_shows_every_path_and_tries_them_without_the_internet(page: Page, server: Server) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(server.url) else elsewhere.append(request.url))
    page.goto(f"{server.url}/docs")
    page.wait_for_selector(".opblock")
    shown = page.locator(".opblock-summary-path").all_inner_texts()
    paths = {re.sub(r"[\s\u200b]", "", text) for text in shown}
    assert paths == set(server.http.get("/openapi.json").json()["paths"])
    health = page.locator("#operations-Health-health")
    health.click()
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    page.wait_for_selector(".live-responses-table .response-col_status")
    assert '"renderer": "preview"' in page.locator(".live-responses-table").inner_text()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
