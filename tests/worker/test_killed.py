"""A worker killed in each stage of a job, and the one on another machine that is handed the job after it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.servers.elevenlabs import Behaviour, ElevenLabsServer
from tests.servers.endpoint import S3Endpoint
from tests.servers.faulty_proxy import Fault as Failure
from tests.servers.faulty_proxy import FaultyProxy, faulty_proxy
from tests.worker.clips import talking_head
from tests.worker.endpoint import Endpoint
from tests.worker.paid_voice import SENTENCE, account, wait_for
from tests.worker.queue_faults import Fault
from tests.worker.queue_standin import QueueStandIn
from tests.worker.test_cancel import HeldAnswer
from tests.worker.worker_process import Ground, Worker
from tests.worker.workers_bucket import WorkersBucket

FILES = {"video.mp4", "audio.mp3", "captions.vtt", "captions.srt", "thumbnail.jpg", "result.json"}


@dataclass
class Chain:
    """One worker after another, each on a machine of its own: the next begins when the one before has been killed."""

    queue: QueueStandIn
    endpoint: Endpoint
    bucket: WorkersBucket
    proxy: FaultyProxy
    voice: ElevenLabsServer
    folder: Path
    default_avatar: Path
    workers: list[Worker] = field(default_factory=list)

    def begin(self) -> None:
        number = len(self.workers)
        ground = Ground(self.folder / f"machine{number}", self.default_avatar).make()
        avatars = {"AVATAR_DIRS": str(self.folder), "MAX_CONCURRENCY": "1"}
        settings = {**account(self.voice), **self.bucket.environment(self.proxy.url), **avatars}
        self.workers.append(Worker(self.queue, ground, f"machine{number}", settings))
        self.workers[-1].__enter__()

    def kill(self) -> None:
        self.workers[-1].kill()
        self.proxy.faults.clear()

    def handed_on(self, job_id: str) -> dict[str, Any]:
        """What becomes of the job whose worker is killed now."""
        self.kill()
        self.queue.faults.forget()
        self.queue.hand_out_again(job_id)
        self.begin()
        answer = self.endpoint.ended(job_id)
        assert answer["status"] == "COMPLETED", answer
        output: dict[str, Any] = answer["output"]
        return output

    def record(self, job_id: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.body(f"jobs/{job_id}.json"))
        return record

    def body(self, key: str) -> bytes:
        settings = self.bucket.settings
        found = self.bucket.server.client().get_object(Bucket=settings.name, Key=settings.prefix + key)
        return bytes(found["Body"].read())


@pytest.fixture(scope="module")
def chain(
    moto: S3Endpoint,
    queue: QueueStandIn,
    endpoint: Endpoint,
    elevenlabs: ElevenLabsServer,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_avatar: Path,
) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("machines")
    with faulty_proxy(moto.port) as proxy:
        chain = Chain(queue, endpoint, WorkersBucket.on(moto), proxy, elevenlabs, folder, tiny_avatar)
        chain.begin()
        yield chain
        chain.kill()
        for worker in chain.workers:
            worker.assert_secrets_kept()


@pytest.fixture(scope="module")
def session(chain: Chain) -> str:
    return str(chain.endpoint.output({"action": "create_session"})["session_id"])


Reached = Callable[[Chain, str, ExitStack], None]
"""Waits until the job with that id is in the stage; what it puts on the stack happens when the worker is dead."""


def bought_in_part(chain: Chain, job_id: str, after: ExitStack) -> None:
    purchases = len(chain.voice.requests)
    wait_for(lambda: len(chain.voice.requests) > purchases or bool(chain.queue.posts(job_id)))


def drawn_in_part(chain: Chain, job_id: str, after: ExitStack) -> None:
    chain.endpoint.in_progress(job_id, lambda told: told.get("stage") == "drawing" and told["progress"] > 0)


def held_at(name: str) -> Callable[[Chain], Reached]:
    """While the bucket has taken the object and the worker doesn't know yet."""

    def plan(chain: Chain) -> Reached:
        held = HeldAnswer.to_put(chain.proxy, name)

        def reached(chain: Chain, job_id: str, after: ExitStack) -> None:
            after.callback(held.go_on.set)
            assert held.waits.wait(20)

        return reached

    return plan


def spoken_in_part(chain: Chain) -> Reached:
    chain.voice.script(Behaviour.STALL)
    return bought_in_part


def reporting(chain: Chain) -> Reached:
    """The result is published, and the queue takes none of the worker's posts."""
    chain.queue.faults.plan("job-done", *[Fault(503)] * 100)

    def reached(chain: Chain, job_id: str, after: ExitStack) -> None:
        wait_for(lambda: chain.workers[-1].has_logged_beginning("Done in", job_id))
        assert chain.record(job_id)["state"] == "done"

    return reached


STAGES: list[tuple[str, Callable[[Chain], Reached], int]] = [
    ("speech", spoken_in_part, 2),
    ("drawing", lambda chain: drawn_in_part, 1),
    ("saving", held_at("video.mp4"), 1),
    ("publishing", held_at("result.json"), 1),
    ("counting", held_at("/audit/"), 1),
    ("reporting", reporting, 1),
]


@pytest.mark.parametrize(("plan", "purchases"), [stage[1:] for stage in STAGES], ids=[stage[0] for stage in STAGES])
def test_the_next_worker_gives_the_same_single_result(
    chain: Chain, session: str, plan: Callable[[Chain], Reached], purchases: int
) -> None:
    """A purchase that was broken off is all that is ever paid twice."""
    bought, before = len(chain.voice.requests), chain.bucket.stored()
    reached = plan(chain)
    text = SENTENCE * 8 if reached is drawn_in_part else "Killed, and killed again."
    job_id = chain.endpoint.run({"session_id": session, "text": text})
    with ExitStack() as after:
        reached(chain, job_id, after)
        if reached is drawn_in_part:
            wait_for(lambda: any(key.endswith("note.json") for key in chain.bucket.stored()))
        output = chain.handed_on(job_id)
    assert len(chain.voice.requests) - bought == purchases
    assert_single_result(chain, before, job_id, output)
    assert chain.endpoint.ended(repeated(chain, job_id))["output"]["video_key"] == output["video_key"]
    assert len(chain.voice.requests) - bought == purchases


def repeated(chain: Chain, job_id: str) -> str:
    chain.queue.hand_out_again(job_id)
    return job_id


def assert_single_result(chain: Chain, before: dict[str, str], job_id: str, output: dict[str, Any]) -> None:
    new = chain.bucket.stored().keys() - before.keys()
    folder = output["video_key"].rpartition("/")[0]
    assert {key for key in new if key.startswith("outputs/")} == {f"{folder}/{name}" for name in FILES}
    assert len([key for key in new if key.startswith("audit/")]) == 1
    posts = [post for post in chain.queue.posts(job_id) if not post.is_progress]
    assert [post.worker for post in posts] == [chain.workers[-1].pod]
    assert chain.record(job_id)["state"] == "done"
    with av.open(io.BytesIO(httpx.get(output["video_url"]).content), "r") as video:
        assert sum(1 for _ in video.decode(video=0)) == output["frames"]


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("create_session", "{prefix}sessions/"),
        ("generate", "/avatars/"),
        ("create_session", "/refs/"),
    ],
)
def test_a_preparation_that_was_killed_is_done_by_the_next(chain: Chain, action: str, name: str) -> None:
    before = chain.bucket.stored()
    avatar = talking_head(chain.folder / f"own{len(chain.workers)}.mp4", 20 + len(chain.workers))
    held = HeldAnswer.to_put(chain.proxy, name.format(prefix=chain.bucket.settings.prefix))
    words = {"text": "A face of my own."} if action == "generate" else {}
    job_id = chain.endpoint.run({"action": action, "avatar_video_path": str(avatar), **words})
    with ExitStack() as after:
        after.callback(held.go_on.set)
        assert held.waits.wait(20)
        output = chain.handed_on(job_id)
    if action == "generate":
        assert_single_result(chain, before, job_id, output)
    assert_prepared_once(chain, before, output["session_id"])


def assert_prepared_once(chain: Chain, before: dict[str, str], session_id: str) -> None:
    """What the killed worker had stored of the face lies beside it, and is referred to by nothing."""
    assert chain.endpoint.output({"action": "status", "session_id": session_id})["status"] == "ready"
    new = chain.bucket.stored().keys() - before.keys()
    assert [key for key in new if key.startswith("sessions/")] == [f"sessions/{session_id}.json"]
    assert len([key for key in new if key.endswith("/manifest.json")]) == 1
    assert [key.rpartition("/")[2] for key in new if "/refs/" in key] == [session_id]
    assert chain.endpoint.output({"session_id": session_id, "text": "It speaks."})["frames"]


def test_a_stream_whose_worker_was_killed_begins_anew_and_is_whole(chain: Chain, session: str) -> None:
    before = chain.bucket.stored()
    held = HeldAnswer.to_put(chain.proxy, "part-00001")
    job_id = chain.endpoint.run({"session_id": session, "text": "Killed while it is watched.", "stream": True})
    with ExitStack() as after:
        after.callback(held.go_on.set)
        assert held.waits.wait(20)
        output = chain.handed_on(job_id)
    assert_single_result(chain, before, job_id, output)
    streamed = sorted(key for key in chain.bucket.stored("streams/") if key not in before)
    state = json.loads(chain.body(streamed.pop()))
    assert (state["state"], {key.split("/")[2] for key in streamed}) == ("done", {state["run"]})
    pieces = [chain.body(key) for key in streamed if "init" in key or "part" in key]
    with av.open(io.BytesIO(b"".join(pieces)), "r") as video:
        assert sum(1 for _ in video.decode(video=0)) == output["frames"]


def test_a_store_that_is_away_in_the_middle_costs_its_time_alone(chain: Chain, session: str) -> None:
    bought, before = len(chain.voice.requests), chain.bucket.stored()

    def go_away() -> None:
        chain.proxy.away = True

    chain.proxy.faults.append(Failure("PUT", "refuse", "audio.mp3", then=go_away))
    job_id = chain.endpoint.run({"session_id": session, "text": "Wait for it."})
    wait_for(lambda: chain.proxy.away)
    seen = len(chain.proxy.seen)
    wait_for(lambda: len(chain.proxy.seen) > seen + 3)
    chain.proxy.away = False
    assert_single_result(chain, before, job_id, chain.endpoint.ended(job_id)["output"])
    assert len(chain.voice.requests) - bought == 1
