"""A browser plays a video while it is being made: every frame, in its place, with its sound."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from pydantic import BaseModel

from engine.timebase import FRAME_RATE
from tests.browser.stream_server import FRAMES, serving


class Shown(BaseModel):
    """One picture on the screen: the number that is painted on it, and the browser's time for it in seconds."""

    number: int
    time: float


class Playback(BaseModel):
    """What ``watch.js`` saw.

    first_shown: when the first picture was on the screen, in seconds since 1970.
    total: frames decoded and due, shown or dropped.
    starts: the beginning of what the browser has of the video, in its seconds.
    """

    shown: list[Shown]
    first_shown: float
    total: int
    sound_bytes: int
    starts: float
    error: str | None


@pytest.mark.parametrize("player", ["src.html", "mse.html"])
def test_every_frame_is_shown_in_its_time_while_the_video_is_made(page: Page, player: str) -> None:
    with serving(pace=1.25) as server:
        page.goto(f"{server.url}/{player}")
        page.wait_for_function("document.querySelector('video').ended", timeout=20_000)
        played = Playback.model_validate(page.evaluate("report()"))
    assert played.error is None
    assert server.made is not None
    assert played.first_shown < server.made
    assert played.total == FRAMES
    assert played.starts == 0
    assert played.sound_bytes > 20_000
    # A busy machine may miss a picture, or paint it when its successor is due.
    assert len({shown.number for shown in played.shown}) >= 0.95 * FRAMES
    assert all(0 <= shown.number - round(shown.time * FRAME_RATE) <= 1 for shown in played.shown)
    assert played.shown[-1].number == FRAMES - 1
