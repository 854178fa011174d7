"""Large uploads: announced, sent to an address of their own, and there only once they are complete.

In a folder, in a bucket, and in a bucket of a real server, which checks signatures.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.endpoint import S3Endpoint
from tests.shim.errors import error_of
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.waiting import wait_until
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

PATH = "/api/v1/avatars"
MAX_BYTES = 2_000_000
SETTINGS = {"MAX_AVATAR_BYTES": str(MAX_BYTES)}


@pytest.fixture(scope="module", params=["folder", "moto", "radosgw"])
def storing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_avatar: Path
) -> Iterator[Server]:
    """A server that makes its videos itself, with each kind of store."""
    ground = Ground(tmp_path_factory.mktemp("storing"), tiny_avatar).make()
    stored = None
    if request.param != "folder":
        endpoint: S3Endpoint = request.getfixturevalue(request.param)
        stored = ServerStore.bucket(WorkersBucket.on(endpoint))
    with Server(ground, SETTINGS, stored) as server:
        yield server


def announce(server: Server, size: int, **fields: Any) -> dict[str, Any]:
    reply = server.http.post(PATH, json={"bytes": size, **fields})
    assert reply.status_code == 200, reply.text
    address: dict[str, Any] = reply.json()
    assert address["upload_method"] == "PUT"
    return address


def put(server: Server, address: dict[str, Any], body: bytes, **headers: str) -> httpx.Response:
    url = httpx.URL(server.url).join(address["upload_url"])
    with httpx.Client(trust_env=False) as client:
        return client.put(url, content=body, headers={**address["upload_headers"], **headers})


def complete(server: Server, address: dict[str, Any]) -> httpx.Response:
    return server.http.post(f"{PATH}/{address['avatar_id']}/complete")


def is_nowhere(server: Server, avatar_id: str) -> bool:
    """Whether nobody finds an avatar of that id."""
    listed = [each["avatar_id"] for each in server.http.get(PATH).json()["avatars"]]
    found = server.http.get(f"{PATH}/{avatar_id}").status_code
    created = server.http.post("/api/v1/session/create", json={"avatar_video_path": avatar_id}).status_code
    return avatar_id not in listed and (found, created) == (404, 400)


def test_a_file_goes_to_its_address_and_becomes_an_avatar(storing: Server, tiny_avatar: Path) -> None:
    body = tiny_avatar.read_bytes()
    address = announce(storing, len(body), content_type="video/mp4", consent=True)
    assert address["upload_url"].startswith("http://" if storing.stored.in_bucket else f"{PATH}/")
    assert is_nowhere(storing, address["avatar_id"])
    error_of(complete(storing, address), 409, "upload_incomplete")
    assert put(storing, address, body).status_code in (200, 204)
    assert is_nowhere(storing, address["avatar_id"])

    completed = complete(storing, address)
    assert completed.status_code == 200, completed.text
    told = completed.json()
    assert (told["bytes"], told["status"], told["consent"]) == (len(body), "uploaded", True)
    assert complete(storing, address).json() == told
    assert storing.http.get(f"{PATH}/{told['avatar_id']}").json() == told
    assert storing.http.get(PATH).json()["avatars"][0] == told
    assert storing.stored.keys("incoming/") == set()
    assert storing.ended(storing.create(avatar_video_path=told["avatar_id"]))["status"] == "ready"


def test_another_size_than_was_announced_makes_no_avatar(storing: Server) -> None:
    address = announce(storing, 1000)
    put(storing, address, b"x" * 900)
    error_of(complete(storing, address), 409, "upload_incomplete")
    put(storing, address, b"x" * 1100)
    error_of(complete(storing, address), 409, "upload_incomplete")
    assert is_nowhere(storing, address["avatar_id"])
    assert put(storing, address, b"x" * 1000).status_code in (200, 204)
    assert complete(storing, address).status_code == 200


def test_a_file_above_the_limit_is_removed(storing: Server) -> None:
    too_large = {"bytes": MAX_BYTES + 1}
    error_of(storing.http.post(PATH, json=too_large), 413, "avatar_too_large")
    address = announce(storing, MAX_BYTES)
    storing.stored.store.put(f"incoming/{address['avatar_id']}", b"x" * (MAX_BYTES + 1))
    error_of(complete(storing, address), 413, "avatar_too_large")
    error_of(complete(storing, address), 409, "upload_incomplete")
    assert is_nowhere(storing, address["avatar_id"])


def test_an_announced_upload_can_be_withdrawn(storing: Server) -> None:
    address = announce(storing, 10)
    put(storing, address, b"x" * 10)
    assert storing.http.delete(f"{PATH}/{address['avatar_id']}").status_code == 200
    error_of(complete(storing, address), 404, "avatar_not_found")
    assert not [key for key in storing.stored.keys("incoming/") if address["avatar_id"] in key]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"bytes": 0},
        {"bytes": -1},
        {"bytes": "10"},
        {"bytes": 1.5},
        {"bytes": True},
        {"bytes": 10, "content_type": "text/html"},
        {"bytes": 10, "content_type": "video/mp4\r\nX: y"},
        {"bytes": 10, "consent": "yes"},
        [],
    ],
)
@pytest.mark.parametrize("storing", ["folder"], indirect=True)
def test_what_is_no_announcement_is_400(storing: Server, body: Any) -> None:
    error_of(storing.http.post(PATH, json=body), 400, "invalid_input")
    assert not storing.stored.keys("incoming/0")


@pytest.mark.parametrize("storing", ["moto", "radosgw"], indirect=True)
def test_a_bucket_takes_the_announced_type_and_size_alone(storing: Server, request: pytest.FixtureRequest) -> None:
    address = announce(storing, 1000, content_type="video/mp4")
    if request.node.callspec.params["storing"] == "moto":
        return  # It is blind to signatures.
    assert put(storing, address, b"x" * 1001).status_code == 403
    assert put(storing, address, b"x" * 1000, **{"Content-Type": "text/html"}).status_code == 403
    assert put(storing, address, b"x" * 1000).status_code == 200


@pytest.mark.parametrize("storing", ["folder"], indirect=True)
def test_this_server_takes_no_more_than_was_announced(storing: Server) -> None:
    address = announce(storing, 1000)

    def unannounced() -> Iterator[bytes]:
        yield from (b"x" * 600, b"x" * 600)

    with httpx.Client(base_url=storing.url, trust_env=False) as client:
        error_of(client.put(address["upload_url"], content=unannounced()), 413, "avatar_too_large")
    error_of(put(storing, address, b""), 400, "media_unreadable")
    assert storing.stored.keys("incoming/") >= {f"incoming/{address['avatar_id']}.json"}
    assert f"incoming/{address['avatar_id']}" not in storing.stored.keys("incoming/")


@pytest.mark.parametrize("storing", ["folder"], indirect=True)
def test_a_server_that_is_killed_in_the_middle_of_a_file_shows_nothing_of_it(
    storing: Server, tiny_avatar: Path
) -> None:
    body = tiny_avatar.read_bytes()
    address = announce(storing, len(body))
    with socket.create_connection(("127.0.0.1", storing.port), timeout=10) as connection:
        head = f"PUT {address['upload_url']} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        wait_until(lambda: storing.stored.unfinished() > 0)
        storing.kill()
    storing.start()
    assert is_nowhere(storing, address["avatar_id"])
    error_of(complete(storing, address), 409, "upload_incomplete")
    assert put(storing, address, body).status_code == 204
    assert complete(storing, address).status_code == 200
    assert storing.ended(storing.create(avatar_video_path=address["avatar_id"]))["status"] == "ready"
