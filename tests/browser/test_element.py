"""<talking-avatar> on a page of another origin, with a token, against a real server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from shim.auth.keys import hash_of, mint
from tests.browser.other_site import OtherSite, other_site
from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import BACKENDS
from tests.shim.server_process import Server
from tests.worker.clips import talking_head
from tests.worker.worker_process import REPOSITORY, Ground

TEXT = "One, two, three, four, five, six."
LONG_TEXT = "And on and on it goes, until somebody stops it. " * 12
PAGE = """<!doctype html>
<title>Shop</title>
<script type="module" src="{server}/web/talking-avatar.js"></script>
<talking-avatar id="guide" session="{session}" token="{token}" captions></talking-avatar>
"""
NO_SOCKET = "delete window.WebSocket;"
NO_SOURCE = "delete window.MediaSource; delete window.ManagedMediaSource;"
NO_HLS = "HTMLMediaElement.prototype.canPlayType = () => '';"
MANAGED = "window.ManagedMediaSource = window.MediaSource; delete window.MediaSource;"
LITTLE_ROOM = """
const append = SourceBuffer.prototype.appendBuffer;
SourceBuffer.prototype.appendBuffer = function (bytes) {
  const { buffered } = this;
  const held = buffered.length ? buffered.end(buffered.length - 1) - buffered.start(0) : 0;
  if (held > 14) {
    window.refusals = (window.refusals ?? 0) + 1;
    throw new DOMException("full", "QuotaExceededError");
  }
  return append.call(this, bytes);
};
"""
WATCH = """() => {
  window.guide = document.querySelector("talking-avatar");
  window.seen = { names: [], progress: [], captions: [], errors: [] };
  for (const name of ["begin", "play", "end", "error"]) guide.addEventListener(name, () => seen.names.push(name));
  guide.video.addEventListener("ended", () => (seen.frames = guide.video.getVideoPlaybackQuality().totalVideoFrames));
  guide.addEventListener("begin", ({ detail }) => (seen.job = detail.job_id));
  guide.addEventListener("progress", ({ detail }) => seen.progress.push(detail.progress));
  guide.addEventListener("caption", ({ detail }) => detail.text && seen.captions.push(detail.text));
  guide.addEventListener("error", ({ detail }) => seen.errors.push([detail.code, detail.message]));
}"""
SPOKEN = """async (request) => {
  const over = new Promise((done) => {
    for (const name of ["end", "error"]) guide.addEventListener(name, ({ detail }) => done(detail), { once: true });
  });
  const reply = await guide.speak(request);
  const played = await over;
  return { ...seen, reply, same: played.job_id === reply.job_id };
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[OtherSite]:
    with other_site() as site:
        yield site


@pytest.fixture(scope="module")
def key() -> str:
    return mint()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: OtherSite, key: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("embedded")
    ground = Ground(folder, talking_head(folder / "tiny.mp4")).make()
    with Server(ground, {"API_KEYS": f"shop:{hash_of(key)}", "CORS_ORIGINS": site.origin}) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> str:
    return server.ready()


def token_for(server: Server, **fields: Any) -> str:
    reply = server.http.post("/api/v1/tokens", json=fields)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["token"])


@pytest.fixture
def embedded(chromium: Browser, site: OtherSite, server: Server, session: str) -> Iterator[Callable[..., Page]]:
    """Opens the page with a fresh token, in a browser that lacks what ``without`` deletes."""
    contexts = []

    def open_page(without: str = "", page: str = PAGE, **token: Any) -> Page:
        context = chromium.new_context()
        contexts.append(context)
        shown = context.new_page()
        shown.add_init_script(without)
        given = token_for(server, session_id=session, origins=[site.origin], **token)
        site.page = page.format(server=server.url, session=session, token=given)
        shown.goto(site.origin)
        shown.evaluate(WATCH)
        # A click, as browsers play sound only after one.
        shown.mouse.click(5, 5)
        return shown

    yield open_page
    for context in contexts:
        context.close()


def readme_page() -> str:
    """The ten lines that the README shows, with places for what is a page's own."""
    (page,) = re.findall(r"```html\n(<!doctype html>.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    page = str(page).replace("{", "{{").replace("}", "}}").replace("https://avatar.example", "{server}")
    return page.replace('session="…"', 'session="{session}"').replace('token="…"', 'token="{token}"')


def test_the_ten_lines_of_the_readme_play_from_another_origin(embedded: Callable[..., Page], server: Server) -> None:
    page = readme_page()
    assert page.count("\n") == 10
    assert "{token}" in page
    shown = embedded(page=page)
    shown.get_by_role("button", name="Say hello").click()
    shown.wait_for_function("seen.names.includes('end')", timeout=40_000)
    seen = shown.evaluate("seen")
    made = server.stored.job(seen["job"])["result"]
    assert seen["names"] == ["begin", "play", "end"]
    assert seen["frames"] == made["frames"] > 50


def test_in_front_of_an_endpoint_it_plays_without_a_token_for_pages_of_this_machine(
    chromium: Browser, site: OtherSite, moto: S3Endpoint, tmp_path: Path
) -> None:
    ground = Ground(tmp_path, talking_head(tmp_path / "tiny.mp4")).make()
    with BACKENDS["endpoint"](ground, moto) as server, chromium.new_context() as context:
        page = context.new_page()
        site.page = PAGE.format(server=server.url, session=server.ready(), token="")
        page.goto(site.origin)
        page.evaluate(WATCH)
        page.mouse.click(5, 5)
        spoken = page.evaluate(SPOKEN, TEXT)
    assert spoken["names"] == ["begin", "play", "end"]
    assert spoken["frames"] == spoken["reply"]["frames"] > 50
    assert spoken["captions"]


@pytest.mark.parametrize(
    ("without", "tells_progress"),
    [
        ("", True),
        (NO_SOCKET, False),
        (MANAGED, True),
        (NO_SOURCE, True),
        (NO_SOURCE + NO_HLS, True),
    ],
    ids=["socket", "fetch", "managed", "hls", "file"],
)
def test_every_way_of_playing_ends_with_the_reply(
    embedded: Callable[..., Page], without: str, tells_progress: bool
) -> None:
    page = embedded(without)
    spoken: Mapping[str, Any] = page.evaluate(SPOKEN, {"text": TEXT, "metadata": {"shop": 7}})
    assert spoken["names"] == ["begin", "play", "end"]
    assert spoken["same"]
    assert spoken["reply"]["metadata"] == {"shop": 7}
    assert spoken["reply"]["job_id"] == spoken["job"]
    # Chromium's own HLS player leaves segments out of a playlist that grows faster than it plays.
    assert spoken["frames"] == spoken["reply"]["frames"] or (without == NO_SOURCE and spoken["frames"] > 20)
    assert spoken["errors"] == []
    assert spoken["captions"][0].split()[0] in TEXT
    assert bool(spoken["progress"]) == tells_progress


def test_hls_that_the_browser_gives_up_goes_on_with_the_file(embedded: Callable[..., Page]) -> None:
    page = embedded(NO_SOURCE)
    page.route("**/index.m3u8*", lambda route: route.fulfill(body=b"no playlist"))
    spoken = page.evaluate(SPOKEN, TEXT)
    assert spoken["errors"] == []
    assert spoken["names"] == ["begin", "play", "end"]
    assert spoken["frames"] == spoken["reply"]["frames"]


def test_a_full_buffer_makes_room_and_loses_no_frame(embedded: Callable[..., Page]) -> None:
    page = embedded(LITTLE_ROOM)
    page.evaluate("guide.video.playbackRate = guide.video.defaultPlaybackRate = 4")
    spoken = page.evaluate(SPOKEN, LONG_TEXT[: len(LONG_TEXT) // 2])
    assert page.evaluate("window.refusals") > 0
    assert spoken["frames"] == spoken["reply"]["frames"] > 14 * 25
    # What was forgotten can be gone back to: it is the finished file then.
    assert "/video/output_" in page.evaluate("guide.video.src")


@pytest.mark.parametrize("way", ["guide.stop()", "guide.remove()"])
@pytest.mark.parametrize("without", ["", NO_SOCKET, NO_SOURCE], ids=["socket", "fetch", "hls"])
def test_stopping_and_removing_cancel_the_job(
    embedded: Callable[..., Page], server: Server, way: str, without: str
) -> None:
    page = embedded(without)
    page.evaluate("text => { guide.speak(text).catch((error) => (seen.rejected = error.name)); }", LONG_TEXT)
    page.wait_for_function("seen.job")
    page.evaluate(way)
    page.wait_for_function("seen.rejected")
    job = page.evaluate("seen.job")
    state = ended_state(server, job)
    assert state == "cancelled"
    assert page.evaluate("seen.rejected") == "AbortError"
    assert page.evaluate("seen.errors") == []
    assert not page.evaluate("guide.speaking")


def test_a_job_of_a_page_that_is_left_is_cancelled(embedded: Callable[..., Page], server: Server) -> None:
    page = embedded(NO_SOURCE)
    page.evaluate("text => { guide.speak(text); }", LONG_TEXT)
    page.wait_for_function("seen.job")
    job = page.evaluate("seen.job")
    page.goto("about:blank")
    assert ended_state(server, job) == "cancelled"


def ended_state(server: Server, job: str) -> str:
    for _ in range(100):
        state = str(server.http.get(f"/api/v1/jobs/{job}").json()["status"])
        if state not in ("queued", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"{job} runs on")


def test_saying_something_else_stops_what_was_said(embedded: Callable[..., Page], server: Server) -> None:
    page = embedded()
    page.evaluate("text => { guide.speak(text).catch(() => {}); }", LONG_TEXT)
    page.wait_for_function("seen.job")
    first = page.evaluate("seen.job")
    spoken = page.evaluate(SPOKEN, "Hello.")
    assert spoken["reply"]["job_id"] != first
    assert ended_state(server, first) == "cancelled"


def test_the_captions_of_what_was_said_go_with_it(embedded: Callable[..., Page]) -> None:
    page = embedded()
    page.evaluate("text => { guide.speak(text); }", TEXT)
    page.wait_for_function("seen.captions.length", timeout=30_000)
    page.evaluate("text => { seen.names = []; guide.speak(text).catch(() => {}); }", LONG_TEXT)
    page.wait_for_function("seen.names.includes('play')", timeout=30_000)
    page.evaluate("guide.video.pause()")
    player = page.locator("#guide")
    with_captions = player.screenshot()
    page.evaluate("guide.captions = false")
    assert player.screenshot() == with_captions


def test_a_refusal_is_shown_told_and_thrown(embedded: Callable[..., Page]) -> None:
    page = embedded(generations=1)
    page.evaluate(SPOKEN, "Hello.")
    thrown = page.evaluate("guide.speak('Once more.').catch((error) => [error.name, error.code, error.message])")
    assert thrown[0] == "TalkingAvatarError"
    assert len(thrown[2]) > 20
    page.wait_for_function("seen.errors.length")
    assert page.evaluate("seen.errors") == [thrown[1:]]
    expect(page.get_by_role("alert")).to_have_text(thrown[2])


def test_without_a_server_the_sentence_says_so(embedded: Callable[..., Page]) -> None:
    page = embedded()
    page.evaluate("guide.server = 'http://127.0.0.1:9'")
    code = page.evaluate("guide.speak('Hello.').catch((error) => error.code)")
    assert code == "unreachable"
    expect(page.get_by_role("alert")).to_contain_text("CORS_ORIGINS")


def test_the_face_rests_between_what_it_says(embedded: Callable[..., Page]) -> None:
    page = embedded()
    page.evaluate("guide.idle = true")
    page.evaluate("window.rest = guide.shadowRoot.querySelector('[part=idle]')")
    resting = "!rest.hidden && rest.currentTime > 0.1"
    page.wait_for_function(resting, timeout=30_000)
    page.evaluate("window.over = guide.speak('Hello there, hello.')")
    page.wait_for_function("seen.names.includes('play')")
    assert not page.evaluate(resting)
    page.wait_for_function("seen.names.includes('end')")
    page.wait_for_function(resting)


def test_a_client_of_its_own_does_what_the_api_does(embedded: Callable[..., Page], session: str) -> None:
    page = embedded()
    state = page.evaluate("guide.client.waitUntilReady(guide.session).then((session) => session.session_id)")
    job = page.evaluate("guide.client.startJob({ session_id: guide.session, text: 'Hello.' })")
    reply = page.evaluate("job => guide.client.waitForJob(job.job_id)", job)
    voices = page.evaluate("guide.client.voices()")
    assert state == session
    assert reply["job_id"] == job["job_id"]
    assert reply["duration"] > 0.3
    assert len(voices) > 1


def test_the_types_name_every_public_member(embedded: Callable[..., Page]) -> None:
    page = embedded()
    types = (Path(REPOSITORY) / "shim" / "web" / "talking-avatar.d.ts").read_text()
    members = page.evaluate(
        """async (address) => {
          const module = await import(address);
          const own = (of) => Object.getOwnPropertyNames(of.prototype).filter((name) => name !== "constructor");
          const classes = Object.entries(module).filter(([, of]) => of.prototype && /^class/.test(String(of)));
          const made = { TalkingAvatarClient: new module.TalkingAvatarClient(), TalkingAvatarElement: {},
            TalkingAvatarError: new module.TalkingAvatarError("code", "sentence") };
          const of = ([name, type]) => [name, [...own(type), ...Object.keys(made[name])]];
          return { exported: Object.keys(module), classes: Object.fromEntries(classes.map(of)) };
        }""",
        page.evaluate("document.querySelector('script[src]').src"),
    )
    for name in members["exported"]:
        assert re.search(rf"export declare (?:class|function) {name}\b", types), name
    assert set(members["classes"]) == {"TalkingAvatarClient", "TalkingAvatarElement", "TalkingAvatarError"}
    for name, own in members["classes"].items():
        (body,) = re.findall(rf"export declare class {name} [^{{]*{{\n(.*?)\n}}\n", types, re.DOTALL)
        declared = set(re.findall(r"^  (?:readonly |static )?(\w+)[(:?]", body, re.MULTILINE))
        inherited = {"addEventListener", "observedAttributes", "told", "constructor"}
        assert set(own) - {"name", "message", "stack"} == declared - inherited, name
