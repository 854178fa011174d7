"""What generate has made, by the names that its reply carries."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from engine.captions import srt
from engine.records import Records
from engine.schemas import Generated
from engine.speech.voice import Word
from engine.store.protocol import ObjectInfo, ObjectStore
from shim.backends import Made
from shim.callers import Caller, caller_of
from shim.links import Links
from shim.ranges import Validators
from shim.refusals import OutputNotFound
from shim.replies import VideoReply
from shim.serving import ServedFile, add_file, respond

PREFIX = "/api/v1/generate"

_NAME = r"_([A-Za-z0-9_-]{1,64})"
_VIDEO = re.compile(rf"output{_NAME}\.mp4")
_AUDIO = re.compile(rf"audio{_NAME}\.mp3")
_VTT = re.compile(rf"captions{_NAME}\.vtt")
_SRT = re.compile(rf"captions{_NAME}\.srt")
_THUMBNAIL = re.compile(rf"thumbnail{_NAME}\.jpg")


def reply_of(made: Made, store: ObjectStore, warnings: list[str], links: Links, caller: Caller) -> VideoReply:
    """The finished video with this server's addresses, as the caller is told them. ``warnings``: what the request had
    that was ignored."""
    generated, record_id = made.generated, made.record_id
    fields = generated.model_dump()
    fields["warnings"] = [*generated.warnings, *warnings]
    stored = store.url(generated.video_key)

    def address(path: str) -> str:
        return links.address(f"{PREFIX}/{path}", caller)

    return VideoReply(
        **fields,
        job_id=record_id,
        video_url=address(f"video/output_{record_id}.mp4"),
        audio_url=None if generated.audio_key is None else address(f"audio/audio_{record_id}.mp3"),
        captions_url=address(f"captions/captions_{record_id}.vtt"),
        subtitles_url=address(f"captions/captions_{record_id}.srt"),
        thumbnail_url=address(f"thumbnail/thumbnail_{record_id}.jpg"),
        download_url=stored if stored.startswith(("http://", "https://")) else None,
    )


class Outputs:
    """Finds a caller's files by name. Every method blocks, and raises OutputNotFound and what the store raises."""

    def __init__(self, store: ObjectStore, records: Records) -> None:
        self._store = store
        self._records = records

    def video(self, name: str, caller: Caller) -> ServedFile:
        return self._stored(name, self._generated(_VIDEO, name, caller).video_key, "video/mp4")

    def audio(self, name: str, caller: Caller) -> ServedFile:
        key = self._generated(_AUDIO, name, caller).audio_key
        if key is None:
            raise OutputNotFound("The video is silent: it has no file of sound.")
        return self._stored(name, key, "audio/mpeg")

    def thumbnail(self, name: str, caller: Caller) -> ServedFile:
        return self._stored(name, self._generated(_THUMBNAIL, name, caller).thumbnail_key, "image/jpeg")

    def captions(self, name: str, caller: Caller) -> ServedFile:
        if name.endswith(".srt"):
            return self._subtitles(name, caller)
        return self._stored(name, self._generated(_VTT, name, caller).captions_key, "text/vtt; charset=utf-8")

    def _subtitles(self, name: str, caller: Caller) -> ServedFile:
        """Made of the words; they go when the captions do."""
        generated = self._generated(_SRT, name, caller)
        info = self._info(generated.captions_key)
        body = srt([Word(word.text, word.start, word.end) for word in generated.words]).encode()
        validators = Validators(f"{info.etag}-srt", info.modified)
        return ServedFile.of_bytes(body, validators, name, "application/x-subrip; charset=utf-8")

    def _stored(self, name: str, key: str, content_type: str) -> ServedFile:
        return ServedFile.stored(self._store, self._info(key), name, content_type)

    def _info(self, key: str) -> ObjectInfo:
        info = self._store.head(key)
        if info is None:
            raise OutputNotFound("The file is gone: it has expired, or its session was deleted.")
        return info

    def _generated(self, form: re.Pattern[str], name: str, caller: Caller) -> Generated:
        match = form.fullmatch(name)
        record = self._records.jobs.get(match[1]) if match else None
        if record is None or not caller.owns(record.owner) or record.state != "done" or record.result is None:
            raise OutputNotFound("There is no such file. Use the addresses that a generate answers with.")
        return Generated.model_validate(record.result)


def file_routes(outputs: Outputs) -> APIRouter:
    """GET and HEAD of every kind of file."""
    router = APIRouter(prefix=PREFIX, tags=["Files"])
    _serve(router, "video", outputs.video, "video/mp4", "Serve a generated video file.")
    _serve(router, "audio", outputs.audio, "audio/mpeg", "Serve a generated audio file.")
    _serve(router, "captions", outputs.captions, "text/vtt", "Serve captions: WebVTT as .vtt, SubRip as .srt.")
    _serve(router, "thumbnail", outputs.thumbnail, "image/jpeg", "Serve a video's first picture.")
    return router


def _serve(
    router: APIRouter, kind: str, find: Callable[[str, Caller], ServedFile], content_type: str, summary: str
) -> None:
    async def answer(
        request: Request,
        filename: str,
        download: str = Query("", description="`1`: the browser saves the file instead of showing it."),
    ) -> Response:
        return respond(request, await asyncio.to_thread(find, filename, caller_of(request.scope)))

    add_file(router, f"/{kind}/{{filename}}", answer, name=kind, summary=summary, content_type=content_type)
