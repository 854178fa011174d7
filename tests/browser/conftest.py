"""A real browser, started once for this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A microphone that beeps once a second.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser, which ends with this folder's tests: while it runs, its own event loop is the main thread's."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs the package chromium: no chromium here")
    with sync_playwright() as playwright:
        # Without the sandbox, which root and most containers cannot have.
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    yield page
    page.close()
