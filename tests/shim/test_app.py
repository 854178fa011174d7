"""The app over a backend of the test's own: defects, outages, and what the backend's errors become."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from engine.errors import EngineError, IdempotencyConflict, StillRunning, TtsMisconfigured, TtsQuotaExceeded
from engine.outages import Overloaded, StorageUnavailable
from engine.records import Records, SessionRecord
from engine.schemas import CreateSession, DeleteReply, Generate, HealthReply
from engine.store.local import LocalStore
from shim.app import Service, create_app
from shim.backends import Fragment, KeptJob, Made, Queued, StreamEvent
from shim.errors import GenerationFailed
from shim.settings import ShimSettings
from tests.shim.errors import assert_form, error_of

BODY = {"session_id": "abc123", "text": "Hello"}
STREAM = "/api/v1/generate/text-to-video-stream"


class FailingBackend:
    """Everything fails with ``error``, a stream after ``fragments`` of them."""

    def __init__(self, error: Exception, fragments: int = 0) -> None:
        self.error = error
        self.fragments = fragments
        self.closed_streams = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def create_session(self, request: CreateSession, session_id: str) -> None:
        raise self.error

    async def session(self, session_id: str, owner: str | None = None) -> SessionRecord:
        raise self.error

    async def delete_session(self, session_id: str, owner: str | None = None) -> DeleteReply:
        raise self.error

    async def generate(self, request: Generate, job_id: str) -> Made:
        raise self.error

    async def stream(self, request: Generate, job_id: str) -> AsyncGenerator[StreamEvent, None]:
        try:
            for _ in range(self.fragments):
                yield Fragment(b"fragment")
            raise self.error
        finally:
            self.closed_streams += 1

    async def demand_possible(self, request: Generate) -> None:
        raise self.error

    async def enqueue(self, job: KeptJob) -> Queued:
        raise self.error

    def end_of(self, job_id: str) -> None:
        return None

    async def cancel(self, job_id: str, queue_id: str | None = None) -> None:
        pass

    async def health(self) -> HealthReply:
        raise self.error


def app_of(backend: FailingBackend, folder: Path) -> ASGIApp:
    store = LocalStore(folder / "store")
    settings = ShimSettings(store_dir=folder / "store")
    return create_app(Service(backend, store, Records(store, lambda: datetime.now(UTC)), settings))


def ask(app: ASGIApp, method: str, path: str, **request: Any) -> httpx.Response:
    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.request(method, path, **request)

    return asyncio.run(scenario())


PATHS = [
    ("GET", "/health"),
    ("POST", "/api/v1/session/create"),
    ("GET", "/api/v1/session/abc123/status"),
    ("DELETE", "/api/v1/session/abc123"),
    ("POST", "/api/v1/generate/text-to-video"),
    ("POST", STREAM),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_defect_is_a_500_that_tells_nothing(method: str, path: str, tmp_path: Path) -> None:
    app = app_of(FailingBackend(ZeroDivisionError("secret detail")), tmp_path)
    body = error_of(ask(app, method, path, json=BODY), 500, "internal_error")
    assert "secret" not in body["detail"]
    assert body["retryable"] is False


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (StorageUnavailable("The storage is away. Try again."), 503, "5"),
        (Overloaded("Too much is going on. Try again."), 503, "5"),
        (Overloaded("Too much is going on. Try again.", 17.2), 503, "17"),
        (IdempotencyConflict("The key came with another request."), 409, None),
        (TtsMisconfigured("The speech service refuses the key."), 500, None),
    ],
)
def test_an_error_before_anything_began_has_its_status(
    error: EngineError, status: int, retry_after: str | None, tmp_path: Path
) -> None:
    app = app_of(FailingBackend(error), tmp_path)
    for path in ("/api/v1/generate/text-to-video", STREAM):
        reply = ask(app, "POST", path, json=BODY)
        assert error_of(reply, status, error.code)["retryable"] is error.retryable
        assert reply.headers.get("retry-after") == retry_after


@pytest.mark.parametrize("error", [Overloaded("Too much is going on."), TtsQuotaExceeded("The account is used up.")])
def test_an_error_after_work_began_is_500_with_its_code(error: EngineError, tmp_path: Path) -> None:
    app = app_of(FailingBackend(GenerationFailed(error)), tmp_path)
    for path in ("/api/v1/generate/text-to-video", STREAM):
        reply = ask(app, "POST", path, json=BODY)
        assert error_of(reply, 500, error.code)["retryable"] is error.retryable
        assert "retry-after" not in reply.headers


def test_a_video_that_takes_too_long_is_504_with_its_job(tmp_path: Path) -> None:
    error = StillRunning("The video takes longer than 90 s and is still being made.", "its-job")
    reply = ask(app_of(FailingBackend(error), tmp_path), "POST", "/api/v1/generate/text-to-video", json=BODY)
    assert error_of(reply, 504, "still_running")["job_id"] == "its-job"


def test_a_failure_in_a_begun_stream_leaves_it_unfinished(tmp_path: Path) -> None:
    backend = FailingBackend(GenerationFailed(StorageUnavailable("The storage is away.")), fragments=2)
    sent = asyncio.run(_speak(app_of(backend, tmp_path), _post(BODY)))
    assert [message.get("body") for message in sent[1:]] == [b"fragment", b"fragment"]
    assert all(message["more_body"] for message in sent[1:])
    assert backend.closed_streams == 1


def test_a_defect_is_told_to_an_open_socket(tmp_path: Path) -> None:
    backend = FailingBackend(ZeroDivisionError("secret detail"), fragments=1)
    received: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": json.dumps(BODY)}]
    scope = {"type": "websocket", "path": STREAM, "headers": [], "query_string": b"", "subprotocols": []}
    sent = asyncio.run(_speak(app_of(backend, tmp_path), (scope, received)))
    assert sent[0]["type"] == "websocket.accept"
    told = json.loads(sent[-2]["text"])
    assert_form(told)
    assert (told["type"], told["error"]) == ("error", "internal_error")
    assert sent[-1] == {"type": "websocket.close", "code": 1011}
    assert backend.closed_streams == 1


def _post(body: dict[str, Any]) -> tuple[dict[str, Any], list[Message]]:
    scope = {"type": "http", "method": "POST", "path": STREAM, "headers": [], "query_string": b""}
    return scope, [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]


async def _speak(app: ASGIApp, talk: tuple[dict[str, Any], list[Message]]) -> list[Message]:
    """What the app sends to a client that says its messages and then stays."""
    scope, messages = talk
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent
