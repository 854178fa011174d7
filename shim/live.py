"""Streams that are being made or were made: for whoever knows their id, as one file or as HLS."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from engine.streams.layout import MEDIA_TYPE, PLAYLIST_TYPE, RunKeys, Segment, StreamState, stream_folder
from engine.streams.playlist import playlist
from shim.callers import caller_of
from shim.files import PREFIX
from shim.leaving import client_left, while_connected
from shim.links import Links
from shim.ranges import Validators
from shim.relay import Relay
from shim.serving import ServedFile, add_file, respond
from shim.stored_streams import stream_not_found
from shim.stream_paths import stream_headers, stream_path
from shim.video_stream import VideoStream, first_piece

IMMUTABLE = "private, max-age=86400, immutable"
"""The run's name is in the address, which never has other bytes."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEGMENT = re.compile(r"[0-9]{5,9}")


def live_routes(relay: Relay, links: Links) -> APIRouter:
    """A stream's addresses: the video, its playlist, and what the playlist names."""
    router = APIRouter(prefix=f"{PREFIX}/stream/{{stream_id}}", tags=["Streams"])
    _add_video(router, relay, links)
    _add_playlist(router, relay, links)
    _add_files(router, relay)
    return router


def playlist_of(stream_id: str, state: StreamState, query: str) -> str:
    """The stream's playlist, with addresses relative to its own. ``query``: what lets a player in to them, if any."""
    keys = RunKeys(stream_id, state.run)

    def address(key: str) -> str:
        return key.removeprefix(stream_folder(stream_id)) + query

    segments = [
        Segment(seconds=segment.seconds, url=address(keys.segment(number)))
        for number, segment in enumerate(state.segments)
    ]
    return playlist(address(keys.init) if segments else None, segments, ended=state.state == "done")


def _add_video(router: APIRouter, relay: Relay, links: Links) -> None:
    @router.get(
        "",
        summary="Follow a stream: the video while it is made, and later.",
        description="The fragmented MP4 from its beginning, in chunks. Leaving stops nothing. A failure after the "
        "first chunk breaks the connection; where a lost worker is replaced, the same address has the new video.",
        response_class=Response,
        responses={200: _binary("The video.", MEDIA_TYPE)},
    )
    async def get_stream(request: Request, stream_id: str) -> Response:
        await _demand_owned(request, relay, stream_id)
        pieces = relay.video(stream_id)
        first = await first_piece(request, pieces)
        return VideoStream(first, pieces, stream_headers(stream_id, links, caller_of(request.scope)))


def _add_playlist(router: APIRouter, relay: Relay, links: Links) -> None:
    async def get_playlist(request: Request, stream_id: str) -> Response:
        await _demand_owned(request, relay, stream_id)
        state = await while_connected(relay.begun(stream_id, _is_playable), client_left(request.receive))
        headers = {"Cache-Control": "no-store"}
        _, mark, query = links.address(stream_path(stream_id), caller_of(request.scope)).partition("?")
        return Response(playlist_of(stream_id, state, mark + query), headers=headers, media_type=PLAYLIST_TYPE)

    router.add_api_route(
        "/index.m3u8",
        get_playlist,
        summary="Follow a stream: its HLS playlist, which grows while the video is made.",
        description="It is there with the first segment, which it waits for, and names `init.mp4` and the segments "
        "relative to itself.",
        response_class=Response,
        responses={200: _binary("The playlist.", PLAYLIST_TYPE)},
    )
    router.add_api_route("/index.m3u8", get_playlist, methods=["HEAD"], include_in_schema=False, name="head_playlist")


def _add_files(router: APIRouter, relay: Relay) -> None:
    async def send(request: Request, stream_id: str, key: str) -> Response:
        await _demand_owned(request, relay, stream_id)
        return respond(request, await asyncio.to_thread(_file, relay, key))

    async def init(request: Request, stream_id: str, run: str) -> Response:
        return await send(request, stream_id, _keys(stream_id, run).init)

    async def segment(request: Request, stream_id: str, run: str, number: str) -> Response:
        _demand(_SEGMENT, number)
        return await send(request, stream_id, _keys(stream_id, run).segment(int(number)))

    for path, answer, name, summary in (
        ("/{run}/init.mp4", init, "stream_init", "What a playlist's segments begin with."),
        ("/{run}/segment-{number}.m4s", segment, "stream_segment", "A playlist's segment, one or two seconds long."),
    ):
        add_file(router, path, answer, name=name, summary=summary, content_type=MEDIA_TYPE)


def _is_playable(state: StreamState) -> bool:
    return state.state == "done" or len(state.segments) > 0


def _keys(stream_id: str, run: str) -> RunKeys:
    for part in (stream_id, run):
        _demand(_ID, part)
    return RunKeys(stream_id, run)


def _demand(form: re.Pattern[str], given: str) -> None:
    """Raises StreamNotFound for what can't be part of a stream's address."""
    if not form.fullmatch(given):
        raise stream_not_found()


async def _demand_owned(request: Request, relay: Relay, stream_id: str) -> None:
    """Raises StreamNotFound for what is no stream of the caller's."""
    _demand(_ID, stream_id)
    await asyncio.to_thread(relay.streams.demand_owned, stream_id, caller_of(request.scope))


def _file(relay: Relay, key: str) -> ServedFile:
    found = relay.streams.object(key)
    if found is None:
        raise stream_not_found()
    validators = Validators(found.info.etag, found.info.modified)
    return ServedFile.of_bytes(found.body, validators, key.rpartition("/")[2], MEDIA_TYPE, IMMUTABLE)


def _binary(description: str, content_type: str) -> dict[str, Any]:
    content = {content_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"description": description, "content": content}
