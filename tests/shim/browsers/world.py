"""A guarded server on which Alice has made all that there is to be seen, and the ways to ask it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from engine.store.local import LocalStore
from shim.auth.keys import hash_of, mint
from shim.browsers.tokens import BrowserTokens
from shim.callers import Caller, Grant
from shim.links import Links
from shim.signing import SigningSecret
from tests.shim.auth.signing import SECRET
from tests.shim.server_process import REQUEST_SECONDS, Server
from tests.shim.waiting import wait_until
from tests.worker.clips import hum, wav_base64
from tests.worker.worker_process import Ground

GENERATE = "/api/v1/generate/text-to-video"
STREAM = f"{GENERATE}-stream"
SOUND = wav_base64(hum(0.3))
SHOP = "https://shop.example"
OWN_SECRET = "only the tests' servers sign with this one"
KEYS = {"alice": mint(), "bob": mint()}
SETTINGS = {
    "API_KEYS": ",".join(f"{name}:{hash_of(key)}" for name, key in KEYS.items()),
    "JWT_SECRET": SECRET,
    "SIGNING_SECRET": OWN_SECRET,
    "CORS_ORIGINS": f"{SHOP}, https://other.example:8443/",
    "CREATE_RATE": "",
    "STATUS_RATE": "",
    "LOG_LEVEL": "DEBUG",
}


@dataclass(frozen=True)
class World:
    """What Alice has: an avatar, two sessions, and of the first one a video and a stream of it."""

    server: Server
    avatar_id: str
    session_id: str
    other_session: str
    job_id: str
    stream_id: str
    run: str

    def ask(self, method: str, path: str, credential: str | None = None, **request: Any) -> httpx.Response:
        """``credential``: a key or token; None: none."""
        headers = {**request.pop("headers", {}), **({} if credential is None else bearer(credential))}
        return self.server.http.request(method, path, headers=headers, **request)

    def alice(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self.ask(method, path, KEYS["alice"], **request)

    def minted(self, **asked: Any) -> str:
        """A new token of Alice's."""
        reply = self.alice("POST", "/api/v1/tokens", json=asked)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["token"])

    def spent(self, **asked: Any) -> str:
        """A token that its only generation is gone of."""
        token = self.minted(**asked, generations=1)
        body = {"session_id": asked["session_id"], "audio_base64": SOUND}
        assert self.ask("POST", GENERATE, token, json=body).status_code == 200
        return token

    def uploaded(self, body: bytes) -> str:
        """Another avatar of Alice's."""
        return uploaded(self.server, body)

    def announced(self, size: int) -> str:
        """An avatar of Alice's whose file, of so many bytes, has not come."""
        reply = self.alice("POST", "/api/v1/avatars", json={"bytes": size})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["avatar_id"])

    def new_session(self) -> str:
        """Another session of Alice's, ready."""
        return new_session(self.server, self.avatar_id)


@contextmanager
def world_of(ground: Ground, avatar: bytes) -> Iterator[World]:
    with Server(ground, SETTINGS) as server:
        alice = bearer(KEYS["alice"])
        avatar_id = uploaded(server, avatar)
        session_id, other = new_session(server, avatar_id), new_session(server, avatar_id)
        body = {"session_id": session_id, "audio_base64": SOUND}
        made = server.http.post(GENERATE, json=body, headers=alice).json()
        streamed = server.http.post(STREAM, json=body, headers=alice)
        playlist = server.http.get(streamed.headers["x-hls-url"]).text
        run = re.search(r'URI="([^"/]+)/init', playlist)
        assert run is not None, playlist
        yield World(server, avatar_id, session_id, other, made["job_id"], streamed.headers["x-job-id"], run[1])


def uploaded(server: Server, body: bytes) -> str:
    files = {"file": ("avatar.mp4", body)}
    reply = server.http.post("/api/v1/avatars", files=files, headers=bearer(KEYS["alice"]))
    assert reply.status_code == 200, reply.text
    return str(reply.json()["avatar_id"])


def new_session(server: Server, avatar_id: str) -> str:
    alice = bearer(KEYS["alice"])
    created = server.http.post("/api/v1/session/create", json={"avatar_video_path": avatar_id}, headers=alice)
    session_id = str(created.json()["session_id"])
    status = f"/api/v1/session/{session_id}/status"
    wait_until(lambda: server.http.get(status, headers=alice).json()["status"] == "ready", REQUEST_SECONDS)
    return session_id


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def secret_of(server: Server) -> SigningSecret:
    return SigningSecret(SecretStr(OWN_SECRET), LocalStore(server.ground.folder / "elsewhere"))


def token_of(server: Server, owner: str, session_id: str, seconds: int) -> str:
    """A token as the server would mint it, which expires in so many seconds, or has since."""
    now = int(time.time())
    minter = Caller(owner, owner, "key")
    grant = Grant("0123456789abcdef", session_id, None, ())
    return BrowserTokens(secret_of(server), (minter,)).mint(minter, grant, now - 3600, now + seconds)


def link_of(server: Server, path: str, seconds_ago: int = 0) -> str:
    """Alice's link to the path, of 60 s and so many seconds ago."""
    links = Links(secret_of(server), 60, True, lambda: time.time() - seconds_ago)
    return links.address_for(path, "key:alice")
