"""Servers that die while jobs are theirs: nothing that was accepted is lost, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.servers.elevenlabs import ElevenLabsServer
from tests.servers.endpoint import S3Endpoint
from tests.shim.backends import LIMITS, patient_worker
from tests.shim.jobs.polling import LONG, ask, cancel, look, outputs_of, until
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.shim.waiting import wait_until
from tests.shim.webhooks.receiver import Receiver
from tests.worker.clips import hum, wav_base64
from tests.worker.paid_voice import SENTENCE, account
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

TELLING = {"ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
SOME = LONG[: 20 * 15]


def videos(stored: ServerStore, job_id: str) -> list[str]:
    return [key for key in stored.keys("outputs/") if job_id in key and key.endswith("video.mp4")]


@pytest.mark.timeout(150)
def test_a_crash_loses_no_job_of_this_process(fresh_ground: Ground) -> None:
    with ElevenLabsServer() as elevenlabs, Receiver(500) as receiver:
        settings = {"MAX_CONCURRENCY": "1", **TELLING, **account(elevenlabs)}
        with Server(fresh_ground, settings) as server:
            session = server.ready()
            told = ask(server, session_id=session, audio_base64=wav_base64(hum(0.2)), webhook_url=receiver.url)
            wait_until(lambda: len(receiver.messages) == 1)
            running = ask(server, session_id=session, text=SENTENCE * 10, voice_id="JBFqnCBsd6RMkjVDRZzb")["job_id"]
            until(server, running, "running")
            wait_until(lambda: bool(fresh_ground.stored(f"outputs/{session}/{running}")), 30)
            bought = len(elevenlabs.requests)
            waiting = ask(server, session_id=session, audio_base64=wav_base64(hum(0.2)), webhook_url=receiver.url)
            server.kill()

            server.start()
            assert look(server, waiting["job_id"])["status"] == "queued"
            # Its stream is awaited, though the run that wrote it is dead.
            assert until(server, running, seconds=60)["status"] == "done"
            assert until(server, waiting["job_id"])["status"] == "done"
            assert len(videos(server.stored, running)) == 1
            assert outputs_of(server, running).status_code == 200
            assert len(elevenlabs.requests) == bought == 1
            wait_until(lambda: look(server, told["job_id"])["webhook"]["state"] == "delivered", 30)
            wait_until(lambda: len(receiver.of(waiting["job_id"])) == 1)
            assert len({message.id for message in receiver.of(told["job_id"])}) == 1
            assert len({message.id for message in receiver.messages}) == 2
            wait_until(lambda: not fresh_ground.stored("pending/"))


@pytest.mark.timeout(90)
def test_a_server_that_stops_hands_its_jobs_over_at_once(fresh_ground: Ground) -> None:
    with Server(fresh_ground, {"MAX_CONCURRENCY": "1"}) as server:
        session = server.ready()
        running = ask(server, session_id=session, text=SOME)["job_id"]
        until(server, running, "running")
        server.stop()
        assert not fresh_ground.stored("replicas/")
        server.start()
        wait_until(lambda: look(server, running)["status"] in ("running", "done"), 8)
        assert until(server, running)["status"] == "done"
        assert "Traceback" not in server.log()


@contextmanager
def two_servers(ground: Ground, moto: S3Endpoint, *, worker: bool) -> Iterator[tuple[Server, Server, QueueStandIn]]:
    """On one bucket, in front of one queue."""
    bucket = WorkersBucket.on(moto)
    with ExitStack() as stack:
        queue = stack.enter_context(QueueStandIn())
        if worker:
            stack.enter_context(patient_worker(queue, ground, "pod1", bucket, LIMITS))
        first, second = (
            stack.enter_context(Server(ground, {**LIMITS, **TELLING}, ServerStore.bucket(bucket), queue))
            for _ in range(2)
        )
        yield first, second, queue


@pytest.mark.timeout(150)
def test_another_server_sees_to_what_a_dead_one_left_in_the_queue(fresh_ground: Ground, moto: S3Endpoint) -> None:
    with Receiver() as receiver, two_servers(fresh_ground, moto, worker=True) as (first, second, queue):
        session = first.ready()
        made = ask(first, session_id=session, audio_base64=wav_base64(hum(0.2)), webhook_url=receiver.url)["job_id"]
        assert until(second, made)["status"] == "done"
        running = ask(first, session_id=session, text=SOME, webhook_url=receiver.url)["job_id"]
        until(second, running, "running")
        first.kill()
        assert until(second, running)["status"] == "done"
        wait_until(lambda: look(second, running)["webhook"]["state"] == "delivered", 40)
        assert [len(receiver.of(job_id)) for job_id in (made, running)] == [1, 1]
        generates = [given for given in queue.inputs().values() if given["action"] == "generate"]
        assert len(generates) == 2
        assert len(videos(second.stored, running)) == 1
        wait_until(lambda: not second.stored.keys("pending/"))


@pytest.mark.timeout(90)
def test_any_server_cancels_what_another_has_queued(fresh_ground: Ground, moto: S3Endpoint) -> None:
    with Receiver() as receiver, two_servers(fresh_ground, moto, worker=False) as (first, second, queue):
        upload = first.upload(fresh_ground.default_avatar.read_bytes())
        job_id = ask(first, avatar_video_path=upload, text="Hello.", webhook_url=receiver.url)["job_id"]
        (queue_id,) = queue.inputs()
        assert cancel(second, job_id)["status"] == "cancelled"
        assert queue.faults.asked["cancel"] == 1
        wait_until(lambda: look(second, job_id)["webhook"]["state"] == "delivered", 30)
        assert len(receiver.of(job_id)) == 1
        assert list(queue.inputs()) == [queue_id]


@pytest.mark.timeout(90)
def test_a_job_that_was_accepted_and_not_yet_queued_is_queued_once(fresh_ground: Ground, moto: S3Endpoint) -> None:
    with two_servers(fresh_ground, moto, worker=False) as (first, second, queue):
        upload = first.upload(fresh_ground.default_avatar.read_bytes())
        job_id = ask(first, avatar_video_path=upload, text="Hello.")["job_id"]
        first.kill()
        wait_until(lambda: f"{job_id} was left by its server" in second.log(), 40)
        second.kill()
        second.start()
        wait_until(lambda: second.log().count(f"{job_id} was left by its server") == 2, 40)
        assert len(queue.inputs()) == 1
        assert look(second, job_id)["status"] == "queued"
