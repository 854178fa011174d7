"""The studio page in a browser, against a real server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, WebSocketRoute, expect

from shim.auth.keys import hash_of, mint
from tests.shim.server_process import Server
from tests.worker.clips import grey_clip, hum, talking_head, wav_base64
from tests.worker.worker_process import Ground

TEXT = "One, two, three, four, five, six, seven, eight, nine, ten."
WATCH = """() => {
  const player = document.getElementById("player");
  window.seen = { events: [], captions: [], progress: [] };
  for (const name of ["begin", "play", "end", "error"])
    player.addEventListener(name, () => seen.events.push(name));
  player.addEventListener("caption", ({ detail }) => detail.text && seen.captions.push(detail.text));
  player.addEventListener("progress", ({ detail }) => seen.progress.push([detail.progress, player.video.currentTime]));
}"""
SIZES = {"phone": (360, 740), "desktop": (1440, 900)}
LOOKS = ("light", "dark")
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("studio")
    return Ground(folder, talking_head(folder / "tiny.mp4")).make()


@pytest.fixture(scope="module")
def server(ground: Ground) -> Iterator[Server]:
    with Server(ground, {"MAX_TEXT_CHARACTERS": "300"}) as server:
        yield server


@pytest.fixture(scope="module")
def key() -> str:
    return mint()


@pytest.fixture(scope="module")
def keyed_server(tmp_path_factory: pytest.TempPathFactory, ground: Ground, key: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("keyed")
    with Server(
        Ground(folder, ground.default_avatar).make(), {"API_KEYS": f"studio:{hash_of(key)}", "REQUIRE_CONSENT": "1"}
    ) as server:
        yield server


@pytest.fixture
def studio(page: Page, server: Server) -> Iterator[Page]:
    """The page, open; what it does is within its policy, and raises nothing."""
    with_faults = watch_faults(page)
    page.goto(server.url)
    yield page
    assert with_faults() == []


def watch_faults(page: Page) -> Callable[[], list[str]]:
    faults: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # A refused request is told on the console too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(str(error)))
    return lambda: faults


def use_default_avatar(page: Page) -> None:
    page.get_by_role("button", name="Use the default avatar").click()
    expect(page.locator("#avatar-ready")).to_be_visible(timeout=30_000)


def say(page: Page, text: str = TEXT) -> None:
    page.get_by_role("textbox", name="Text").fill(text)
    page.get_by_role("button", name="Make the video").click()


def wait_for(page: Page, expression: str) -> None:
    """Until the expression is true. Playwright's own way of waiting needs a policy that lets strings be run."""
    end = time.monotonic() + WAIT_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def wait_until(page: Page, state: str) -> None:
    expect(page.locator("#screen")).to_have_attribute("data-state", state, timeout=40_000)


def downloaded(page: Page, link: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_an_uploaded_face_speaks_while_its_video_is_made(studio: Page, server: Server, tmp_path: Path) -> None:
    clip = talking_head(tmp_path / "me.mp4", frames=20)
    studio.evaluate(WATCH)
    studio.set_input_files("#avatar-file", clip)
    expect(studio.locator("#avatar-ready")).to_be_visible(timeout=30_000)
    expect(studio.locator("#avatar-facts")).to_contain_text("256")
    assert_box_on_picture(studio)
    # Long enough to be still in the making when it begins, and not to be waited for in full.
    studio.evaluate("player.addEventListener('play', () => (player.video.playbackRate = 3))")
    say(studio, " ".join([TEXT] * 3))
    wait_until(studio, "done")
    seen: dict[str, Any] = studio.evaluate("seen")
    assert seen["events"] == ["begin", "play", "end"]
    assert any(at > 0 for share, at in seen["progress"] if share < 1), "it played only when it was made"
    job = studio.evaluate("JSON.parse(sessionStorage.takes)[0].reply")
    quality = studio.evaluate("player.video.getVideoPlaybackQuality().totalVideoFrames")
    assert quality == job["frames"] == server.stored.job(job["job_id"])["result"]["frames"] > 50
    assert_files(studio, server, job)


def assert_box_on_picture(page: Page) -> None:
    picture, box = (page.locator(place).bounding_box() for place in ("#face-picture", "#face-box"))
    assert picture is not None
    assert box is not None
    assert picture["x"] - 1 <= box["x"]
    assert picture["y"] - 1 <= box["y"]
    assert box["x"] + box["width"] <= picture["x"] + picture["width"] + 1
    assert box["y"] + box["height"] <= picture["y"] + picture["height"] + 1
    assert box["width"] > picture["width"] / 5


def assert_files(page: Page, server: Server, job: dict[str, Any]) -> None:
    for link, field, suffix in (
        ("MP4", "video_url", ".mp4"),
        ("MP3", "audio_url", ".mp3"),
        ("VTT", "captions_url", ".vtt"),
        ("SRT", "subtitles_url", ".srt"),
    ):
        name, body = downloaded(page, link)
        assert name.endswith(suffix)
        assert body == server.http.get(job[field]).content


def test_captions_show_and_can_be_switched_off(studio: Page) -> None:
    studio.evaluate(WATCH)
    use_default_avatar(studio)
    say(studio)
    wait_for(studio, "seen.captions.length > 0")
    mode = "player.video.textTracks[0].mode"
    assert studio.evaluate(mode) == "showing"
    switch = studio.get_by_role("button", name="Captions")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert studio.evaluate(mode) == "hidden"
    assert studio.evaluate("seen.captions.join(' ')").split()[0] in TEXT


def test_what_was_made_is_played_again_also_after_a_reload(studio: Page) -> None:
    use_default_avatar(studio)
    say(studio, "Hello there.")
    wait_until(studio, "done")
    studio.reload()
    expect(studio.locator("#avatar-ready")).to_be_visible()
    expect(studio.get_by_role("textbox", name="Text")).to_have_value("Hello there.")
    take = studio.get_by_role("button", name="Play again: Hello there.")
    assert take.locator("img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 100
    take.click()
    wait_until(studio, "playing")
    wait_for(studio, "player.video.currentTime > 0.2")
    studio.get_by_role("button", name="Clear").click()
    expect(studio.locator("#history")).to_be_hidden()
    expect(studio.locator("#avatar-title")).to_be_focused()
    studio.get_by_role("button", name="Change").click()
    expect(studio.get_by_role("button", name="Make the video")).to_be_disabled()
    studio.get_by_role("button", name="Face in 256 × 256").first.click()  # noqa: RUF001
    expect(studio.get_by_role("button", name="Make the video")).to_be_enabled()


def test_a_recording_is_spoken(studio: Page, tmp_path: Path) -> None:
    use_default_avatar(studio)
    # The radio button itself lies beneath its label.
    studio.get_by_text("Audio", exact=True).click()
    sound = tmp_path / "hum.wav"
    sound.write_bytes(base64.b64decode(wav_base64(hum(1.2))))
    studio.set_input_files("#sound-file", sound)
    expect(studio.locator("#sound-name")).to_contain_text("hum.wav")
    studio.get_by_role("button", name="Make the video").click()
    wait_until(studio, "done")
    assert studio.evaluate("JSON.parse(sessionStorage.takes)[0].reply.frames") == 30


def test_what_the_microphone_hears_is_spoken(studio: Page) -> None:
    use_default_avatar(studio)
    studio.get_by_text("Audio", exact=True).click()
    studio.get_by_role("button", name="Record").click()
    stop = studio.get_by_role("button", name="Stop, 1 s")
    stop.click()
    expect(studio.locator("#sound-name")).to_contain_text("recording.")
    studio.get_by_role("button", name="Make the video").click()
    wait_until(studio, "done")
    assert studio.evaluate("JSON.parse(sessionStorage.takes)[0].reply.duration") > 0.5


def test_stopping_cancels_the_job(studio: Page, server: Server) -> None:
    use_default_avatar(studio)
    studio.evaluate("player.addEventListener('begin', ({detail}) => window.job = detail.job_id)")
    say(studio, "And on and on it goes. " * 12)
    wait_until(studio, "playing")
    stop = studio.get_by_role("button", name="Stop", exact=True)
    stop.press("Enter")
    expect(stop).to_be_hidden()
    expect(studio.get_by_role("button", name="Make the video")).to_be_focused()
    assert not studio.evaluate("player.controls")
    job = studio.evaluate("window.job")
    end = time.monotonic() + WAIT_SECONDS
    while (state := server.stored.job(job)["state"]) == "running":
        assert time.monotonic() < end
        studio.wait_for_timeout(50)
    assert state == "cancelled"
    expect(studio.locator("#toolbar")).to_be_hidden()
    expect(studio.get_by_role("alert")).to_have_count(0)


def test_asking_twice_makes_one_video(studio: Page) -> None:
    studio.evaluate(WATCH)
    use_default_avatar(studio)
    say(studio, "Hello, hello, hello.")
    expect(studio.get_by_role("button", name="Making the video")).to_be_disabled()
    studio.get_by_role("textbox", name="Text").press("Control+Enter")
    wait_until(studio, "done")
    assert studio.evaluate("seen.events") == ["begin", "play", "end"]
    expect(studio.get_by_role("button", name="Make the video")).to_be_enabled()


def test_a_connection_that_breaks_is_told_beneath_the_video(studio: Page) -> None:
    def break_off(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda message: route.send(message) if isinstance(message, str) else route.close(code=1011))

    use_default_avatar(studio)
    studio.route_web_socket("**/text-to-video-stream", break_off)
    say(studio)
    expect(studio.locator("#stage-error")).to_contain_text("The connection broke")
    expect(studio.locator("#text-error")).to_be_hidden()
    expect(studio.get_by_role("button", name="Make the video")).to_be_enabled()


def test_errors_are_sentences_beside_what_caused_them(studio: Page, tmp_path: Path) -> None:
    drop(studio, "#avatar-drop", grey_clip(tmp_path / "grey.mp4"))
    studio.get_by_role("textbox", name="Text").focus()
    expect(studio.locator("#avatar-error")).to_contain_text("face", timeout=30_000)
    expect(studio.get_by_role("button", name="Make the video")).to_be_disabled()
    # Whoever types meanwhile types on.
    expect(studio.get_by_role("textbox", name="Text")).to_be_focused()
    use_default_avatar(studio)
    expect(studio.locator("#avatar-error")).to_be_hidden()
    studio.get_by_role("button", name="Make the video").click()
    text, told = studio.get_by_role("textbox", name="Text"), studio.locator("#text-error")
    expect(told).to_have_text("Write something to say first.")
    expect(text).to_be_focused()
    expect(text).to_have_attribute("aria-invalid", "true")
    say(studio, "x" * 301)
    expect(told).to_contain_text("300")
    say(studio, "Hello.")
    expect(told).to_be_hidden()
    wait_until(studio, "done")


def test_a_file_of_another_kind_is_refused_before_it_is_sent(studio: Page) -> None:
    sent: list[str] = []
    studio.on("request", lambda request: sent.append(request.method))
    notes = {"name": "notes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"}
    studio.set_input_files("#avatar-file", notes)  # type: ignore[arg-type]
    expect(studio.locator("#avatar-error")).to_contain_text("notes.pdf is no video")
    studio.get_by_text("Audio", exact=True).click()
    studio.set_input_files("#sound-file", notes)  # type: ignore[arg-type]
    expect(studio.locator("#sound-error")).to_contain_text("notes.pdf is no recording")
    assert "POST" not in sent


def test_a_file_dropped_beside_its_place_does_not_replace_the_page(studio: Page) -> None:
    prevented = """(type) => {
      const dropped = new DataTransfer();
      if (type === "file") dropped.items.add(new File(["x"], "me.mp4"));
      else dropped.setData("text/plain", "Hello.");
      const event = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
      return !document.querySelector("#text").dispatchEvent(event);
    }"""
    assert studio.evaluate(prevented, "file")
    assert not studio.evaluate(prevented, "text")


def test_voices_that_are_away_are_told_once_and_the_default_speaks(page: Page, server: Server) -> None:
    told = {"error": "speech_failed", "detail": "The speech service did not answer.", "retryable": True}
    for path in ("voices", "models"):
        page.route(f"**/api/v1/{path}", lambda route: route.fulfill(status=503, json=told))
    page.goto(server.url)
    expect(page.locator("#voice-error")).to_have_text(told["detail"])  # type: ignore[arg-type]
    expect(page.locator("#model-error")).to_be_hidden()
    expect(page.get_by_label("Voice", exact=True)).to_have_text("Default")
    use_default_avatar(page)
    say(page, "Hello.")
    wait_until(page, "done")


def drop(page: Page, place: str, file: Path) -> None:
    dropped = page.evaluate_handle(
        """([name, bytes]) => {
          const dropped = new DataTransfer();
          dropped.items.add(new File([new Uint8Array(bytes)], name));
          return dropped;
        }""",
        [file.name, list(file.read_bytes())],
    )
    page.dispatch_event(place, "drop", {"dataTransfer": dropped})


def test_the_server_s_own_refusal_is_told_beside_the_text(studio: Page, server: Server) -> None:
    use_default_avatar(studio)
    session = studio.evaluate("sessionStorage.session")
    assert server.http.delete(f"/api/v1/session/{session}").status_code == 200
    say(studio, "Hello.")
    expect(studio.locator("#text-error")).to_contain_text("There is no session")
    expect(studio.locator("#stage-error")).to_be_hidden()


def test_a_key_is_asked_for_kept_for_the_tab_and_forgotten(page: Page, keyed_server: Server, key: str) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(keyed_server.url)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key or token").fill("wrong")
    dialog.get_by_role("button", name="Continue").click()
    expect(page.locator("#access-error")).to_contain_text("does not take this one")
    assert_sound(page)
    dialog.get_by_label("Key or token").fill(key)
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()
    use_default_avatar(page)
    assert_box_on_picture(page)
    width, height = SIZES["phone"]
    page.set_viewport_size({"width": width, "height": height})
    assert_sound(page)
    say(page, "Hello with a key.")
    wait_until(page, "done")
    assert len(sockets) == 1
    assert key not in sockets[0]
    assert downloaded(page, "MP4")[1][4:8] == b"ftyp"
    page.get_by_role("button", name="Play again").click()
    wait_until(page, "playing")
    page.reload()
    expect(page.locator("#avatar-ready")).to_be_visible()
    assert page.evaluate("JSON.stringify(localStorage)").find(key) == -1
    page.get_by_role("button", name="Forget key").click()
    expect(dialog).to_be_visible()


def test_whoever_gives_up_after_a_wrong_key_is_left_alone(page: Page, keyed_server: Server) -> None:
    page.goto(keyed_server.url)
    dialog = page.get_by_role("dialog")
    page.get_by_label("Key or token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#access-error")).to_be_visible()
    dialog.get_by_role("button", name="Not now").click()
    expect(page.locator("#voice-error")).to_contain_text("key")
    expect(page.locator("#before-error")).to_contain_text("key")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Forget key")).to_be_hidden()
    assert page.evaluate("sessionStorage.getItem('key')") is None


def test_whoever_has_no_key_at_first_is_asked_when_one_is_needed(page: Page, keyed_server: Server, key: str) -> None:
    page.goto(keyed_server.url)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Not now").click()
    expect(page.locator("#avatar-error")).to_contain_text("key")
    expect(page.locator("#voice-error")).to_contain_text("key")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Use the default avatar").click()
    dialog.get_by_label("Key or token").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#avatar-ready")).to_be_visible(timeout=30_000)
    expect(page.locator("#voice-error")).to_be_hidden()
    expect(page.locator("#avatar-error")).to_be_hidden()


def test_consent_is_asked_for_where_it_is_needed(page: Page, keyed_server: Server, key: str, tmp_path: Path) -> None:
    page.goto(keyed_server.url)
    page.get_by_label("Key or token").fill(key)
    page.keyboard.press("Enter")
    consent = page.get_by_label("The person in it has agreed")
    expect(consent).to_be_visible()
    clip = talking_head(tmp_path / "me.mp4", frames=10)
    page.set_input_files("#avatar-file", clip)
    expect(page.locator("#avatar-error")).to_contain_text("Tick")
    consent.check()
    page.set_input_files("#avatar-file", clip)
    expect(page.locator("#avatar-ready")).to_be_visible(timeout=30_000)


def test_the_request_can_be_copied_and_sent_again_by_curl(
    chromium: Browser, keyed_server: Server, key: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(keyed_server.url)
        page.get_by_label("Key or token").fill(key)
        page.keyboard.press("Enter")
        use_default_avatar(page)
        say(page, 'It\'s "quoted": $HOME, `date` and ümlauts.')
        wait_until(page, "done")
        page.get_by_role("button", name="Copy as curl").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        command: str = page.evaluate("navigator.clipboard.readText()")
    assert key not in command
    environment = {"PATH": "/usr/bin:/bin", "TALKING_AVATAR_KEY": key}
    done = subprocess.run(["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, check=True)
    spoken = " ".join(word["text"] for word in json.loads(done.stdout)["words"])
    assert "$HOME," in spoken


def test_dark_and_light_follow_the_system_until_somebody_chooses(chromium: Browser, server: Server) -> None:
    with chromium.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(server.url)
        look = page.locator("html")
        expect(look).to_have_attribute("data-look", "dark")
        page.emulate_media(color_scheme="light")
        expect(look).to_have_attribute("data-look", "light")
        page.get_by_role("button", name="Dark appearance").click()
        expect(look).to_have_attribute("data-look", "dark")
        page.reload()
        expect(look).to_have_attribute("data-look", "dark")


def test_it_can_be_used_by_keyboard_alone(studio: Page) -> None:
    studio.keyboard.press("Tab")
    expect(studio.locator(".skip")).to_be_focused()
    studio.keyboard.press("Enter")
    for _ in range(2):
        studio.keyboard.press("Tab")
    expect(studio.get_by_role("button", name="Use the default avatar")).to_be_focused()
    studio.keyboard.press("Enter")
    expect(studio.locator("#avatar-title")).to_be_focused()
    expect(studio.locator("#avatar-ready")).to_be_visible(timeout=30_000)
    for _ in range(3):
        studio.keyboard.press("Tab")
    expect(studio.get_by_role("textbox", name="Text")).to_be_focused()
    studio.keyboard.type("Hello.")
    studio.keyboard.press("Control+Enter")
    wait_until(studio, "done")


@pytest.mark.parametrize("size", SIZES)
def test_every_state_fits_its_screen_and_is_accessible(chromium: Browser, server: Server, size: str) -> None:
    width, height = SIZES[size]
    with chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#voice-part")).to_be_visible()
        assert_sound(page)
        use_default_avatar(page)
        assert_sound(page)
        page.get_by_text("Video options").click()
        say(page)
        wait_until(page, "playing")
        page.evaluate("player.video.pause()")
        expect(page.locator("#toolbar")).to_be_visible(timeout=30_000)
        assert_sound(page)
        say(page, "x" * 301)
        expect(page.locator("#text-error")).to_be_visible()
        assert_sound(page)


def assert_sound(page: Page) -> None:
    """Nothing scrolls sideways, and axe finds nothing serious in either look."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    # Colours on their way from one look to the other have no contrast to hold.
    page.emulate_media(reduced_motion="reduce")
    for look in LOOKS:
        page.evaluate("look => document.documentElement.dataset.look = look", look)
        found = Axe().run(page).response["violations"]
        serious = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]
        assert serious == [], f"{look}: {serious}"
