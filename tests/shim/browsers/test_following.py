"""Players follow the addresses of replies without a key, and no further than their links go."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.sync.client import connect

from tests.shim.browsers.world import GENERATE, KEYS, SOUND, STREAM, World, bearer
from tests.shim.errors import error_of
from tests.shim.waiting import wait_until

VIDEO_FIELDS = {"video_url", "audio_url", "captions_url", "subtitles_url", "thumbnail_url"}
STREAM_FIELDS = {"stream_url", "hls_url"}


def addresses(body: dict[str, str]) -> set[str]:
    return {body[name] for name in (VIDEO_FIELDS | STREAM_FIELDS) & set(body)}


def demand_all_open(world: World, found: set[str]) -> None:
    """Each address is there for nobody in particular, and for nobody at all without its signature."""
    for address in found:
        assert set(parse_qs(urlsplit(address).query)) == {"expires", "signature"}
        assert world.ask("GET", address).status_code == 200, address
        assert world.ask("GET", urlsplit(address).path).status_code == 401


def test_every_address_of_a_reply_works_without_a_key(world: World) -> None:
    body = {"session_id": world.session_id, "audio_base64": SOUND}
    made = world.alice("POST", GENERATE, json=body).json()
    assert len(addresses(made)) == 5
    accepted = world.alice("POST", f"{GENERATE}?async=true", json=body)
    job = accepted.headers["location"]
    wait_until(lambda: world.alice("GET", job).json()["status"] == "done")
    done = world.alice("GET", job).json()
    status = world.alice("GET", f"/api/v1/session/{world.session_id}/status").json()
    demand_all_open(world, addresses(made) | addresses(done) | addresses(done["result"]) | addresses(status))
    assert {"stream_url", "hls_url"} <= set(done)
    assert "thumbnail_url" in status


def test_a_socket_tells_addresses_that_work_without_a_key(world: World) -> None:
    messages = []
    url = f"ws://127.0.0.1:{world.server.port}{STREAM}"
    with connect(url, additional_headers=bearer(KEYS["alice"])) as socket:
        socket.send(json.dumps({"session_id": world.session_id, "audio_base64": SOUND}))
        messages = [json.loads(message) for message in socket if isinstance(message, str)]
    start, end = messages[0], messages[-1]
    assert (start["type"], end["type"]) == ("start", "end")
    demand_all_open(world, addresses(start) | addresses(end))


def test_a_playlist_leads_to_its_segments_by_the_link_that_it_came_by(world: World) -> None:
    job = world.alice("GET", f"/api/v1/jobs/{world.stream_id}").json()
    playlist = world.ask("GET", job["hls_url"])
    named = [one or other for one, other in re.findall(r'URI="([^"]+)"|^([^#\s].*)$', playlist.text, re.MULTILINE)]
    assert len(named) >= 2
    folder = urlsplit(job["hls_url"]).path.rpartition("/")[0]
    for address in named:
        assert urlsplit(address).query == urlsplit(job["hls_url"]).query
        assert world.ask("GET", f"{folder}/{address}").status_code == 200
        error_of(world.ask("GET", f"{folder}/{urlsplit(address).path}"), 401, "unauthorized")
    # Nothing that a link's holder is told outlives the link.
    told = world.ask("GET", job["stream_url"]).headers
    for name in ("x-stream-url", "x-hls-url"):
        assert urlsplit(told[name]).query == urlsplit(job["stream_url"]).query


@pytest.mark.parametrize(
    ("headers", "more", "status"),
    [({}, "&download=1", 200), ({"Range": "bytes=0-9"}, "", 206), ({"Range": "bytes=99999999-"}, "", 416)],
)
def test_a_linked_file_is_served_as_any(headers: dict[str, str], more: str, status: int, world: World) -> None:
    job = world.alice("GET", f"/api/v1/jobs/{world.job_id}").json()
    video = job["result"]["video_url"]
    assert world.ask("GET", video + more, headers=headers).status_code == status
    assert world.ask("HEAD", video).status_code == 200


def test_a_wrong_key_is_refused_although_the_link_is_right(world: World) -> None:
    video = world.alice("GET", f"/api/v1/jobs/{world.job_id}").json()["result"]["video_url"]
    error_of(world.ask("GET", video, "ta_wrong"), 401, "unauthorized")
    assert world.ask("GET", video, KEYS["bob"]).status_code == 404
