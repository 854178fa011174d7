"""A client of the talking-avatar server, in one file: copy it beside your code; it needs httpx and nothing else.

    from talking_avatar import TalkingAvatar

    with TalkingAvatar("https://avatar.example", key="ta_...") as avatar:
        session = avatar.create_session("me.mp4")               # a file; or an address, an upload's id, None
        avatar.wait_until_ready(session, progress=print)        # prints ("preparing", 0.4)
        video = avatar.speak(session, "Hello! This is me.")
        avatar.save_video(video, "hello.mp4")
        avatar.save_captions(video, "hello.srt")

        for piece in avatar.stream(session, "Watch me while I speak."):
            player.write(piece)                                 # a fragmented MP4; leaving the loop stops it

        job = avatar.submit(session, audio="speech.mp3")        # returns at once
        video = avatar.wait(job, progress=print)

``AsyncTalkingAvatar`` has the same methods, to be awaited. What fails raises TalkingAvatarError, whose ``code`` is one
of the server's docs/errors.md. What may succeed later (429, 503, a broken connection) is tried again, as `Retry-After`
says, within ``patience`` seconds; creations and generations carry an `Idempotency-Key`, so that nothing is made or paid
for twice.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar, cast

import httpx

__all__ = ["AsyncTalkingAvatar", "Job", "Model", "Session", "TalkingAvatar", "TalkingAvatarError", "Video", "Voice"]

TIMEOUT = httpx.Timeout(connect=10, read=120, write=60, pool=30)
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
LONGEST_SECONDS = 1800.0

_API = "/api/v1"
_GENERATE = f"{_API}/generate/text-to-video"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REFUSED = frozenset({429, 503})
"""With these the server says that nothing has begun."""
_GOES_ON = frozenset({"request_in_progress", "still_running"})
"""The request came before, or takes long: the same one, sent again, waits for its end."""

Progress = Callable[[str, float], object]
"""Called with a stage's name and how far it is, from 0 to 1."""

T = TypeVar("T")


class TalkingAvatarError(Exception):
    """``code``: the server's, or where it said nothing `unreachable`, `stream_broken`, `timeout`, `no_file`,
    `foreign_address` or `http_<status>`.

    retryable: whether the same may succeed later. request_id: by which the server's log has it. status: 0 without an
    answer. job_id: of the job that goes on, where one does. retry_after: seconds that the server asks to wait.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        retryable: bool = False,
        request_id: str = "",
        status: int = 0,
        job_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.retryable = code, detail, retryable
        self.request_id, self.status, self.job_id, self.retry_after = request_id, status, job_id, retry_after


@dataclass(frozen=True, kw_only=True)
class _FromReply:
    """Some of a reply's fields. ``raw``: all of it, as servers may say more."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Self:
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in reply.items() if name in known}, raw=reply)


@dataclass(frozen=True)
class Session(_FromReply):
    """An avatar that is `preparing`, `ready` to speak, or in `error`."""

    session_id: str
    status: Literal["preparing", "ready", "error"]
    message: str = ""
    progress: float | None = None
    error_code: str | None = None


@dataclass(frozen=True)
class Video(_FromReply):
    """A finished video of ``duration`` seconds. The client's ``save_`` methods fetch what lies at its addresses."""

    job_id: str
    session_id: str
    duration: float
    video_url: str
    captions_url: str
    subtitles_url: str
    thumbnail_url: str
    audio_url: str | None = None
    renderer: str = ""


@dataclass(frozen=True)
class Voice(_FromReply):
    """A voice: ``id`` is a `voice_id`. ``available``: whether the operator's plan has it, None where nobody knows."""

    id: str
    name: str
    languages: Sequence[str] = ()
    available: bool | None = None
    default: bool = False
    preview_url: str | None = None


@dataclass(frozen=True)
class Model(_FromReply):
    """A voice's model: ``id`` is a `model_id`."""

    id: str
    name: str
    languages: Sequence[str] = ()
    available: bool | None = None
    default: bool = False


@dataclass(frozen=True)
class Job(_FromReply):
    """A generation that runs on its own. ``video`` once it is `done`, ``error`` once it has `failed`."""

    job_id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str = ""
    progress: float = 0.0
    eta_seconds: float | None = None
    queue_position: int | None = None
    video: Video | None = None
    error: TalkingAvatarError | None = None

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Self:
        told, result = reply.get("error"), reply.get("result")
        error = TalkingAvatarError(told["error"], told["detail"], told["retryable"]) if told else None
        known = ("job_id", "status", "stage", "progress", "eta_seconds", "queue_position")
        own = {name: reply[name] for name in known if reply.get(name) is not None}
        return cls(**own, video=Video.of(result) if result else None, error=error, raw=reply)


@dataclass(frozen=True)
class _Call:
    """A request. upload: a file to send as a form. into: where the body of a success is written.

    repeatable: whether it does no harm that the server gets it twice.
    goes_on: for how many seconds an answer is awaited of a request that came before.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    upload: Path | None = None
    into: Path | None = None
    progress: Progress | None = None
    repeatable: bool = True
    goes_on: float = 0.0

    def request(self, http: httpx.Client | httpx.AsyncClient, file: io.FileIO | None) -> httpx.Request:
        headers = {} if self.idempotency_key is None else {"Idempotency-Key": self.idempotency_key}
        files = None if file is None else {"file": (Path(str(file.name)).name, file)}
        return http.build_request(self.method, _own(http, self.path), json=self.body, headers=headers, files=files)

    @contextmanager
    def opened(self) -> Iterator[io.FileIO | None]:
        if self.upload is None:
            yield None
            return
        with _Watched(self.upload, self.progress) as file:
            yield file

    def sink(self, response: httpx.Response) -> BinaryIO:
        """Takes the body."""
        return self.into.open("wb") if self.into is not None and response.is_success else io.BytesIO()


@dataclass(frozen=True)
class _Pause:
    seconds: float


@dataclass(frozen=True)
class _Reply:
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, response: httpx.Response, sink: BinaryIO) -> Self:
        return cls(response.status_code, response.headers, sink.getvalue() if isinstance(sink, io.BytesIO) else b"")

    def json(self) -> dict[str, Any]:
        told = json.loads(self.body)
        assert isinstance(told, dict)
        return told


class _Opened:
    """Takes the response of a call whose body is read as it comes."""

    response: httpx.Response


_Flow = Generator[_Call | _Pause, _Reply, T]
"""What is done, without the doing: calls and pauses come out, and replies or httpx.TransportError go in."""


class _Watched(io.FileIO):
    """A file on its way out, which tells how much of it has been read."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        super().__init__(path)
        self._progress = progress
        self._size = max(1, path.stat().st_size)

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(-1 if size is None else size)
        if self._progress is not None:
            self._progress("uploading", min(1.0, self.tell() / self._size))
        return piece or b""


@dataclass(frozen=True)
class _Flows:
    """What both clients do, as flows. ``clock`` gives seconds that never go back, ``chance`` a number from 0 to 1."""

    patience: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def answered(self, call: _Call) -> _Flow[_Reply]:
        """The call's success, tried again where that can help."""
        waited, began = 0.0, self.clock()
        for attempt in itertools.count():
            try:
                reply = yield call
                if reply.status < 400:
                    return reply
                failure = _failure(reply)
                may_repeat = failure.retryable and (call.repeatable or reply.status in _REFUSED)
            except httpx.TransportError as error:
                failure = _unreachable(error)
                may_repeat = call.repeatable or isinstance(error, _NEVER_SENT)
            pause = self._pause(attempt, failure)
            if failure.code in _GOES_ON and self.clock() - began < call.goes_on:
                yield _Pause(pause if failure.retry_after else 0.0)
                continue
            waited += pause
            if not may_repeat or waited > self.patience:
                raise failure
            yield _Pause(pause)
        raise AssertionError

    def create_session(self, avatar: str | Path | None, progress: Progress | None, options: Any) -> _Flow[Session]:
        if avatar is not None and _is_file(avatar):
            avatar = yield from self.upload(Path(avatar), progress)
        body = {"avatar_video_path": None if avatar is None else str(avatar), **options}
        reply = yield from self.answered(_Call("POST", f"{_API}/session/create", body, _new_key(), goes_on=60))
        return Session.of(reply.json())

    def upload(self, path: Path, progress: Progress | None) -> _Flow[str]:
        reply = yield from self.answered(_Call("POST", f"{_API}/avatars", upload=path, progress=progress))
        return str(reply.json()["avatar_id"])

    def session(self, session: Session | str) -> _Flow[Session]:
        return Session.of((yield from self.answered(_Call("GET", f"{_API}/session/{_id(session)}/status"))).json())

    def ready(self, session: Session | str, progress: Progress | None, seconds: float) -> _Flow[Session]:
        end = self.clock() + seconds
        while (now := (yield from self.session(session))).status == "preparing":
            _tell(progress, "preparing", now.progress)
            yield from self._until(end, f"The session is not ready after {seconds:g} s: {now.message}")
        if now.status == "error":
            raise TalkingAvatarError(now.error_code or "session_failed", now.message)
        _tell(progress, "ready", 1.0)
        return now

    def delete(self, session: Session | str) -> _Flow[None]:
        try:
            yield from self.answered(_Call("DELETE", f"{_API}/session/{_id(session)}"))
        except TalkingAvatarError as error:
            if error.code != "session_not_found":
                raise

    def speak(self, body: Mapping[str, Any], seconds: float) -> _Flow[Video]:
        reply = yield from self.answered(_Call("POST", _GENERATE, body, _new_key(), goes_on=seconds))
        return Video.of(reply.json())

    def submit(self, body: Mapping[str, Any]) -> _Flow[Job]:
        call = _Call("POST", f"{_GENERATE}?async=true", body, _new_key(), goes_on=60)
        return Job.of((yield from self.answered(call)).json())

    def job(self, job: Job | str, then: str = "") -> _Flow[Job]:
        method = "POST" if then else "GET"
        return Job.of((yield from self.answered(_Call(method, f"{_API}/jobs/{_id(job)}{then}"))).json())

    def wait(self, job: Job | str, progress: Progress | None, seconds: float) -> _Flow[Video]:
        end = self.clock() + seconds
        while (now := (yield from self.job(job))).status in ("queued", "running"):
            _tell(progress, now.stage or now.status, now.progress)
            yield from self._until(end, f"The job is {now.status} after {seconds:g} s, and goes on.")
        if now.video is None:
            raise now.error or TalkingAvatarError("interrupted", f"The job was {now.status}.", retryable=True)
        _tell(progress, "done", 1.0)
        return now.video

    def save(self, address: str | None, path: str | Path) -> _Flow[Path]:
        """The file, whole: until it is, it has another name."""
        if address is None:
            raise TalkingAvatarError("no_file", "The video has no such file: an idle loop is silent.")
        part = Path(f"{path}.part")
        yield from self.answered(_Call("GET", address, into=part))
        return part.replace(path)

    def listed(self, what: str) -> _Flow[list[Any]]:
        return list((yield from self.answered(_Call("GET", f"{_API}/{what}"))).json()[what])

    def _until(self, end: float, sentence: str) -> _Flow[None]:
        if self.clock() >= end:
            raise TalkingAvatarError("timeout", sentence, retryable=True)
        yield _Pause(POLL_SECONDS)

    def _pause(self, attempt: int, failure: TalkingAvatarError) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        return float(min(8.0, 0.5 * 2**attempt) * (0.75 + 0.5 * self.chance()))


class TalkingAvatar:
    """The server at ``url``. ``key``: an API key or a token, where the server asks for one.

    patience: seconds that the waits before further tries of one call may take together. transport, sleep: for tests.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(key), timeout=TIMEOUT, transport=transport)
        self._flows = _Flows(patience)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def create_session(
        self, avatar: str | Path | None = None, *, progress: Progress | None = None, **options: Any
    ) -> Session:
        """A session of a file's face, of an address's, of an upload's id, or of the default avatar.

        progress: of the upload. options: further fields, such as ``session_id`` and ``extra_margin``.
        """
        return self._run(self._flows.create_session(avatar, progress, options))

    def upload(self, path: str | Path, *, progress: Progress | None = None) -> str:
        """The id of the uploaded file, for ``create_session``."""
        return self._run(self._flows.upload(Path(path), progress))

    def session(self, session: Session | str) -> Session:
        """The session as it is now."""
        return self._run(self._flows.session(session))

    def wait_until_ready(
        self, session: Session | str, *, progress: Progress | None = None, seconds: float = LONGEST_SECONDS
    ) -> Session:
        """The session, ready, within so many seconds. Raises what is wrong with its avatar."""
        return self._run(self._flows.ready(session, progress, seconds))

    def delete(self, session: Session | str) -> None:
        """Forget the session and its videos; one that is gone already is no error."""
        self._run(self._flows.delete(session))

    def speak(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        seconds: float = LONGEST_SECONDS,
        **options: Any,
    ) -> Video:
        """The video of the avatar speaking a text, or the sound of a file, an address, or bytes.

        options: further fields, such as ``voice_id``, ``model_id``, ``voice_settings`` and ``metadata``.
        """
        return self._run(self._flows.speak(_body(session, text, audio, options), seconds))

    def stream(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        **options: Any,
    ) -> Iterator[bytes]:
        """The video as a fragmented MP4 while it is made; closing the iterator stops it."""
        opened = _Opened()
        self._run(self._flows.answered(_stream_call(_body(session, text, audio, options))), opened)
        with closing(opened.response) as response, _breaking():
            yield from response.iter_bytes()

    def submit(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        **options: Any,
    ) -> Job:
        """A video that is made meanwhile. options: as of ``speak``, and ``webhook_url``, which is told of its end."""
        return self._run(self._flows.submit(_body(session, text, audio, options)))

    def job(self, job: Job | str) -> Job:
        """The job as it is now."""
        return self._run(self._flows.job(job))

    def wait(self, job: Job | str, *, progress: Progress | None = None, seconds: float = LONGEST_SECONDS) -> Video:
        """The job's video, once it is done. Raises what ended it without one."""
        return self._run(self._flows.wait(job, progress, seconds))

    def cancel(self, job: Job | str) -> Job:
        """Stop the job; one that has ended stays as it is."""
        return self._run(self._flows.job(job, "/cancel"))

    def voices(self) -> list[Voice]:
        return [Voice.of(voice) for voice in self._run(self._flows.listed("voices"))]

    def models(self) -> list[Model]:
        return [Model.of(model) for model in self._run(self._flows.listed("models"))]

    def save_video(self, video: Video, path: str | Path) -> Path:
        """Write the MP4 to ``path``, which is whole or not there; so do the other ``save_`` methods."""
        return self._run(self._flows.save(video.video_url, path))

    def save_audio(self, video: Video, path: str | Path) -> Path:
        return self._run(self._flows.save(video.audio_url, path))

    def save_captions(self, video: Video, path: str | Path) -> Path:
        """SubRip where the path ends in `.srt`, WebVTT elsewhere."""
        return self._run(self._flows.save(_captions(video, path), path))

    def save_thumbnail(self, video: Video, path: str | Path) -> Path:
        return self._run(self._flows.save(video.thumbnail_url, path))

    def _run(self, flow: _Flow[T], opened: _Opened | None = None) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    reply = self._done(step, opened)
                except httpx.TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return cast(T, end.value)

    def _done(self, step: _Call | _Pause, opened: _Opened | None) -> _Reply:
        if isinstance(step, _Pause):
            self._sleep(step.seconds)
            return _Reply()
        with step.opened() as file:
            response = self._http.send(step.request(self._http, file), stream=True)
        if opened is not None and response.is_success:
            opened.response = response
            return _Reply(response.status_code)
        with closing(response), step.sink(response) as sink:
            for piece in response.iter_bytes():
                sink.write(piece)
            return _Reply.of(response, sink)


class AsyncTalkingAvatar:
    """As TalkingAvatar, for asyncio: its methods are coroutines, and ``stream`` an asynchronous iterator."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(key), timeout=TIMEOUT, transport=transport)
        self._flows = _Flows(patience)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def create_session(
        self, avatar: str | Path | None = None, *, progress: Progress | None = None, **options: Any
    ) -> Session:
        return await self._run(self._flows.create_session(avatar, progress, options))

    async def upload(self, path: str | Path, *, progress: Progress | None = None) -> str:
        return await self._run(self._flows.upload(Path(path), progress))

    async def session(self, session: Session | str) -> Session:
        return await self._run(self._flows.session(session))

    async def wait_until_ready(
        self, session: Session | str, *, progress: Progress | None = None, seconds: float = LONGEST_SECONDS
    ) -> Session:
        return await self._run(self._flows.ready(session, progress, seconds))

    async def delete(self, session: Session | str) -> None:
        await self._run(self._flows.delete(session))

    async def speak(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        seconds: float = LONGEST_SECONDS,
        **options: Any,
    ) -> Video:
        return await self._run(self._flows.speak(_body(session, text, audio, options), seconds))

    async def stream(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        **options: Any,
    ) -> AsyncGenerator[bytes, None]:
        opened = _Opened()
        await self._run(self._flows.answered(_stream_call(_body(session, text, audio, options))), opened)
        async with aclosing(opened.response) as response:
            with _breaking():
                async for piece in response.aiter_bytes():
                    yield piece

    async def submit(
        self,
        session: Session | str,
        text: str | None = None,
        *,
        audio: str | Path | bytes | None = None,
        **options: Any,
    ) -> Job:
        return await self._run(self._flows.submit(_body(session, text, audio, options)))

    async def job(self, job: Job | str) -> Job:
        return await self._run(self._flows.job(job))

    async def wait(
        self, job: Job | str, *, progress: Progress | None = None, seconds: float = LONGEST_SECONDS
    ) -> Video:
        return await self._run(self._flows.wait(job, progress, seconds))

    async def cancel(self, job: Job | str) -> Job:
        return await self._run(self._flows.job(job, "/cancel"))

    async def voices(self) -> list[Voice]:
        return [Voice.of(voice) for voice in await self._run(self._flows.listed("voices"))]

    async def models(self) -> list[Model]:
        return [Model.of(model) for model in await self._run(self._flows.listed("models"))]

    async def save_video(self, video: Video, path: str | Path) -> Path:
        return await self._run(self._flows.save(video.video_url, path))

    async def save_audio(self, video: Video, path: str | Path) -> Path:
        return await self._run(self._flows.save(video.audio_url, path))

    async def save_captions(self, video: Video, path: str | Path) -> Path:
        return await self._run(self._flows.save(_captions(video, path), path))

    async def save_thumbnail(self, video: Video, path: str | Path) -> Path:
        return await self._run(self._flows.save(video.thumbnail_url, path))

    async def _run(self, flow: _Flow[T], opened: _Opened | None = None) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    reply = await self._done(step, opened)
                except httpx.TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return cast(T, end.value)

    async def _done(self, step: _Call | _Pause, opened: _Opened | None) -> _Reply:
        if isinstance(step, _Pause):
            await self._sleep(step.seconds)
            return _Reply()
        with step.opened() as file:
            response = await self._http.send(step.request(self._http, file), stream=True)
        if opened is not None and response.is_success:
            opened.response = response
            return _Reply(response.status_code)
        async with aclosing(response):
            with step.sink(response) as sink:
                async for piece in response.aiter_bytes():
                    sink.write(piece)
                return _Reply.of(response, sink)


@contextmanager
def _breaking() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise TalkingAvatarError("stream_broken", f"The stream ended too early ({error}).", retryable=True) from error


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def _new_key() -> str:
    return str(uuid.uuid4())


def _own(http: httpx.Client | httpx.AsyncClient, address: str) -> httpx.URL:
    """The address if it is the server's: no other host is ever shown the key."""
    url = http.base_url.join(address)
    if (url.scheme, url.host, url.port) != (http.base_url.scheme, http.base_url.host, http.base_url.port):
        raise TalkingAvatarError(
            "foreign_address", "The address leads to another server, which has no need of the key."
        )
    return url


def _failure(reply: _Reply) -> TalkingAvatarError:
    """What a reply that is no success says; a proxy's is not of the server's form."""
    try:
        told = json.loads(reply.body)
        code, detail, retryable = str(told["error"]), str(told["detail"]), bool(told["retryable"])
    except (ValueError, LookupError, TypeError):
        told, code, detail = {}, f"http_{reply.status}", f"The server answered {reply.status}, and not why."
        retryable = reply.status in (408, 429, 502, 503, 504)
    after = reply.headers.get("retry-after", "")
    request_id = str(told.get("request_id") or reply.headers.get("x-request-id", ""))
    seconds = float(after) if after.isdecimal() else None
    return TalkingAvatarError(code, detail, retryable, request_id, reply.status, told.get("job_id"), seconds)


def _unreachable(error: httpx.TransportError) -> TalkingAvatarError:
    told = TalkingAvatarError("unreachable", f"The server did not answer ({type(error).__name__}).", retryable=True)
    told.__cause__ = error
    return told


def _stream_call(body: Mapping[str, Any]) -> _Call:
    return _Call("POST", f"{_GENERATE}-stream", body, repeatable=False)


def _body(
    session: Session | str, text: str | None, audio: str | Path | bytes | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    body: dict[str, Any] = {"session_id": _id(session), **options}
    if text is not None:
        body["text"] = text
    if isinstance(audio, str) and audio.startswith(("http://", "https://")):
        body["audio_url"] = audio
    elif audio is not None:
        sound = audio if isinstance(audio, bytes) else Path(audio).read_bytes()
        body["audio_base64"] = base64.b64encode(sound).decode()
    return body


def _captions(video: Video, path: str | Path) -> str:
    return video.subtitles_url if str(path).lower().endswith(".srt") else video.captions_url


def _id(named: Session | Job | str) -> str:
    if isinstance(named, str):
        return named
    return named.session_id if isinstance(named, Session) else named.job_id


def _is_file(avatar: str | Path) -> bool:
    return isinstance(avatar, Path) or ("://" not in avatar and Path(avatar).is_file())


def _tell(progress: Progress | None, stage: str, share: float | None) -> None:
    if progress is not None:
        progress(stage, share or 0.0)
