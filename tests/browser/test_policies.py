"""What the security headers leave to a real browser: the API's page, videos opened by themselves, and other sites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.other_site import other_site
from tests.shim.browsers.world import World, link_of, world_of
from tests.shim.waiting import wait_until
from tests.worker.clips import talking_head
from tests.worker.worker_process import Ground

PLAYS = "document.querySelector('video')?.currentTime > 0.1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    avatar = talking_head(tmp_path_factory.mktemp("avatar") / "tiny.mp4")
    ground = Ground(tmp_path_factory.mktemp("policies"), avatar).make()
    with world_of(ground, avatar.read_bytes()) as world:
        yield world


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser refuses to load or run, and why."""
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    return told


def test_the_api_page_shows_its_paths_within_its_policy(world: World, page: Page, complaints: list[str]) -> None:
    page.goto(f"{world.server.url}/docs")
    page.wait_for_selector(".opblock-summary-control")
    page.locator(".opblock-summary-control").first.click()
    page.wait_for_selector(".opblock-body")
    assert complaints == []


def test_the_studio_loads_within_its_policy(world: World, page: Page, complaints: list[str]) -> None:
    page.goto(world.server.url)
    page.wait_for_load_state("networkidle")
    assert not [text for text in complaints if "Content Security Policy" in text]


def test_a_video_plays_when_it_is_opened_by_itself(world: World, page: Page) -> None:
    link = link_of(world.server, f"/api/v1/generate/video/output_{world.job_id}.mp4")
    page.goto(f"{world.server.url}{link}")
    page.evaluate("document.querySelector('video').muted = true; document.querySelector('video').play()")
    wait_until(lambda: page.evaluate(PLAYS))


def test_a_page_of_another_site_plays_a_link_and_reads_nothing(world: World, page: Page) -> None:
    link = link_of(world.server, f"/api/v1/generate/stream/{world.stream_id}")
    with other_site() as site:
        site.page = f'<video src="{world.server.url}{link}" muted autoplay loop></video>'
        page.goto(site.origin)
        wait_until(lambda: page.evaluate(PLAYS))
        read = page.evaluate(f"fetch('{world.server.url}{link}').then(() => 'read', () => 'refused')")
        assert read == "refused"
