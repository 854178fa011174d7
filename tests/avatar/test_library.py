"""The library: prepared once, fetched ever after, and nothing half of it is ever seen."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from engine.avatar.manifest import FRAMES as FRAMES_PART
from engine.avatar.manifest import THUMBNAIL
from engine.cancel import Cancelled, CancelToken
from engine.errors import AvatarTooLarge, MediaUnreadable, NoFace
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import FacePlace
from engine.media.frames import open_frames
from tests.avatar.studio import FRAMES, HEIGHT, LIMITS, OPTIONS, WIDTH, Worker, cancelling_at, silent, write_clip

PREPARING = """
import sys
from pathlib import Path
from engine.cancel import CancelToken
from tests.avatar.studio import OPTIONS, Worker
disk, store, clip, stage, at = sys.argv[1:]
waited = False

def told(now, share):
    global waited
    if now == stage and share >= float(at) and not waited:
        waited = True
        print("there", flush=True)
        sys.stdin.read()

avatar = Worker.start(Path(disk), Path(store)).library.prepare(Path(clip), OPTIONS, told, CancelToken())
print(avatar.manifest.attempt, flush=True)
"""

LIMITED = """
import resource, sys
from pathlib import Path
from engine.cancel import CancelToken
from engine.outages import StorageFull
from tests.avatar.studio import OPTIONS, Worker, silent
disk, store, clip, key = (Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
worker = Worker.start(disk, store)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
try:
    if key:
        worker.library.fetch(key)
    else:
        worker.library.prepare(clip, OPTIONS, silent, CancelToken())
except StorageFull as error:
    print(error.code)
"""


def prepare(worker: Worker, clip: Path) -> str:
    return worker.library.prepare(clip, OPTIONS, silent, CancelToken()).key


def start_preparing(disk: Path, store: Path, clip: Path, stage: str, share: float) -> subprocess.Popen[str]:
    """A process that prepares, and at that share of ``stage`` waits until its input is closed."""
    arguments = [sys.executable, "-c", PREPARING, str(disk), str(store), str(clip), stage, str(share)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finished(racer: subprocess.Popen[str]) -> str:
    """What a process had yet to say before it ended."""
    assert racer.stdout is not None
    with racer.stdout as said:
        rest = said.read()
    racer.wait()
    return rest


def test_a_prepared_avatar_is_the_clip_with_its_track(worker: Worker, clip: Path) -> None:
    avatar = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    with open_frames(clip, LIMITS, CancelToken()) as stream, avatar.open_frames() as frames:
        originals = list(stream)
        assert frames.count == len(originals) == FRAMES
        assert frames.size == (WIDTH, HEIGHT)
        for index in (0, 5, 3):
            difference = originals[index].y.astype(int) - frames.frame(index).y.astype(int)
            assert float(np.abs(difference).mean()) < 2
    assert avatar.track.box(0) is None
    box = avatar.track.box(1)
    assert box is not None
    assert (box.left, box.top, box.width, box.height) == (10, 20, 20, 16)
    assert avatar.track.mask(1).shape == (16, 20)
    assert avatar.track.data["mouth"].tolist() == list(range(FRAMES))


def test_the_manifest_tells_what_the_avatar_is(worker: Worker, clip: Path) -> None:
    avatar = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    manifest = avatar.manifest
    assert (manifest.width, manifest.height, manifest.frames) == (WIDTH, HEIGHT, FRAMES)
    assert manifest.seconds == pytest.approx(FRAMES / 25)
    assert (manifest.source.codec, manifest.source.rate) == ("h264", 25)
    assert (manifest.renderer, manifest.revision) == ("fixed-box", "1")
    assert (manifest.face.width, manifest.face.height, manifest.face.share) == (20, 16, 0.8)
    assert manifest.face.place == FacePlace(10, 20, 20, 16)
    stored = {item.key: item.size for item in worker.store.list(f"avatars/{avatar.key}/{manifest.attempt}/")}
    assert stored == {manifest.part_key(name): part.bytes for name, part in manifest.parts.items()}


def test_a_bundle_from_before_places_were_measured_is_still_there(worker: Worker, clip: Path) -> None:
    key = worker.library.prepare(clip, OPTIONS, silent, CancelToken()).key
    found = worker.store.get(f"avatars/{key}/manifest.json")
    assert found is not None
    manifest = json.loads(found.body)
    del manifest["face"]["place"]
    worker.store.put(found.info.key, json.dumps(manifest).encode())
    avatar = worker.library.fetch(key)
    assert avatar is not None
    assert avatar.manifest.face.place is None


def test_the_thumbnail_is_a_picture_of_the_avatar(worker: Worker, clip: Path) -> None:
    avatar = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    found = worker.store.get(avatar.manifest.part_key(THUMBNAIL))
    assert found is not None
    with av.open(io.BytesIO(found.body), "r") as picture:
        frame = next(picture.decode(video=0))
        assert (frame.width, frame.height) == (WIDTH, HEIGHT)


def test_progress_rises_from_0_to_1_over_its_stages(worker: Worker, clip: Path) -> None:
    told: list[tuple[str, float]] = []
    worker.library.prepare(clip, OPTIONS, lambda stage, share: told.append((stage, share)), CancelToken())
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["reading", "finding the face", "saving"]


def test_options_that_the_preparer_heeds_make_another_avatar(worker: Worker, clip: Path) -> None:
    key = prepare(worker, clip)
    options = PreparationOptions(extra_margin=20, parsing_mode="raw")
    assert worker.library.prepare(clip, options, silent, CancelToken()).key != key
    assert worker.preparer.options == options
    unheeded = PreparationOptions(parsing_mode="raw")
    assert worker.library.prepare(clip, unheeded, silent, CancelToken()).key == key
    assert worker.preparer.begun == 2


def test_the_same_video_is_prepared_once_whatever_it_is_called(worker: Worker, clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bin"
    copy.write_bytes(clip.read_bytes())
    assert prepare(worker, clip) == prepare(worker, copy)
    assert worker.preparer.begun == 1
    assert prepare(worker, write_clip(tmp_path / "else.mp4", hue=1)) != prepare(worker, clip)
    assert worker.preparer.begun == 2


def test_another_worker_fetches_what_one_has_prepared(worker: Worker, other: Worker, clip: Path) -> None:
    mine = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    theirs = other.library.fetch(mine.key)
    assert theirs is not None
    assert theirs.manifest == mine.manifest
    assert theirs.frames_path.read_bytes() == mine.frames_path.read_bytes()
    assert theirs.frames_path != mine.frames_path
    assert prepare(other, clip) == mine.key
    assert other.preparer.begun == 0


def test_another_revision_is_another_avatar(worker: Worker, other: Worker, clip: Path) -> None:
    other.preparer.revision = "2"
    assert prepare(worker, clip) != prepare(other, clip)
    assert other.preparer.begun == 1


def test_what_was_never_prepared_is_not_there(worker: Worker) -> None:
    assert worker.library.fetch("0" * 64) is None
    assert not worker.library.exists("0" * 64)


def test_after_preparing_scratch_is_empty_and_the_disk_has_one_copy(worker: Worker, clip: Path) -> None:
    avatar = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    kept = [file for file in worker.files() if not file.startswith("cache/locks/")]
    assert kept == [f"cache/entries/{avatar.manifest.name}/{part}" for part in sorted(avatar.manifest.parts)]


@pytest.mark.parametrize(
    ("stage", "share"),
    [("reading", 0.0), ("finding the face", 0.1), ("finding the face", 0.6), ("saving", 0.9), ("saving", 0.999)],
)
def test_a_cancelled_preparation_leaves_nothing(worker: Worker, clip: Path, stage: str, share: float) -> None:
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        worker.library.prepare(clip, OPTIONS, cancelling_at(stage, share, cancel), cancel)
    assert worker.stored() == []
    assert worker.files() == []
    assert prepare(worker, clip)


def test_a_video_without_a_face_leaves_nothing(worker: Worker, clip: Path) -> None:
    worker.preparer.faceless = True
    with pytest.raises(NoFace):
        prepare(worker, clip)
    assert worker.stored() == []
    assert worker.files() == []


def test_what_is_no_video_leaves_nothing(worker: Worker, tmp_path: Path) -> None:
    text = tmp_path / "avatar.mp4"
    text.write_text("not a video")
    with pytest.raises(MediaUnreadable):
        prepare(worker, text)
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(LIMITS.max_bytes + 1))
    with pytest.raises(AvatarTooLarge):
        prepare(worker, large)
    assert worker.stored() == []
    assert worker.files() == []


def test_a_file_that_changes_meanwhile_is_refused(worker: Worker, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "avatar.mp4")

    def replace(stage: str, share: float) -> None:
        if stage == "finding the face":
            write_clip(clip, hue=2)

    with pytest.raises(MediaUnreadable, match="changed"):
        worker.library.prepare(clip, OPTIONS, replace, CancelToken())
    assert worker.stored() == []


def test_jobs_of_one_process_share_a_preparation(worker: Worker, clip: Path) -> None:
    worker.preparer.go_on.clear()
    heard = threading.Semaphore(0)
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(worker.library.prepare, clip, OPTIONS, lambda *_: heard.release(), CancelToken())
            for _ in range(3)
        ]
        assert worker.preparer.at_work.wait(30)
        for _ in range(6):
            assert heard.acquire(timeout=30)
        worker.preparer.go_on.set()
        keys = {job.result(30).key for job in jobs}
    assert len(keys) == 1
    assert worker.preparer.begun == 1


def test_the_second_takes_over_when_the_first_is_cancelled(worker: Worker, clip: Path) -> None:
    worker.preparer.go_on.clear()
    cancel, told = CancelToken(), []
    waiting = threading.Event()

    def listen(stage: str, share: float) -> None:
        told.append(share)
        if share > 0:
            waiting.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(worker.library.prepare, clip, OPTIONS, silent, cancel)
        assert worker.preparer.at_work.wait(30)
        second = pool.submit(worker.library.prepare, clip, OPTIONS, listen, CancelToken())
        assert waiting.wait(30)
        cancel.cancel()
        with pytest.raises(Cancelled):
            first.result(30)
        worker.preparer.go_on.set()
        assert second.result(30).manifest.frames == FRAMES
    assert worker.preparer.begun == 2
    assert told == sorted(told)


@pytest.mark.parametrize("share", [0.0, 0.999])
def test_two_workers_at_once_do_no_harm(worker: Worker, clip: Path, tmp_path: Path, share: float) -> None:
    """Both have made a bundle of their own when they come to save it; both end with the one that was first."""
    racers = [start_preparing(tmp_path / name, tmp_path / "store", clip, "saving", share) for name in ("a", "b")]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "there\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    attempts = {finished(racer) for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(attempts) == 1
    key = worker.library.key(clip, OPTIONS, CancelToken())
    assert len(worker.stored()) == 4
    avatar = worker.library.fetch(key)
    assert avatar is not None
    assert avatar.manifest.attempt == attempts.pop().strip()


@pytest.mark.parametrize(
    ("stage", "share", "parts"), [("finding the face", 0.1, 0), ("finding the face", 0.9, 0), ("saving", 0.999, 2)]
)
def test_a_worker_killed_while_preparing_leaves_nothing_that_counts(
    clip: Path, tmp_path: Path, stage: str, share: float, parts: int
) -> None:
    with start_preparing(tmp_path / "one", tmp_path / "store", clip, stage, share) as doomed:
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == "there\n"
        doomed.kill()
    worker = Worker.start(tmp_path / "one", tmp_path / "store")
    key = worker.library.key(clip, OPTIONS, CancelToken())
    assert worker.library.fetch(key) is None
    assert any(file.startswith("scratch/") for file in worker.files())
    assert prepare(worker, clip) == key
    assert not any(file.startswith("scratch/") for file in worker.files())
    assert len(worker.stored()) == 4 + parts
    worker.library.collect(datetime.now(UTC) + timedelta(hours=25), protected=frozenset({key}))
    assert len(worker.stored()) == 4


@pytest.mark.parametrize("fetching", [False, True])
def test_a_full_disk_is_said_and_nothing_half_is_left(
    worker: Worker, clip: Path, tmp_path: Path, fetching: bool
) -> None:
    key = prepare(worker, clip) if fetching else ""
    before = worker.stored()
    arguments = [sys.executable, "-c", LIMITED, *map(str, (tmp_path / "full", tmp_path / "store", clip, key))]
    assert subprocess.run(arguments, capture_output=True, check=True, text=True).stdout == "storage_full\n"
    assert worker.stored() == before
    assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


def test_frames_stay_readable_while_the_avatar_is_held(worker: Worker, clip: Path) -> None:
    avatar = worker.library.prepare(clip, OPTIONS, silent, CancelToken())
    worker.library.delete(avatar.key)
    assert worker.library.fetch(avatar.key) is None
    with avatar.open_frames() as frames:
        assert sum(1 for _ in frames) == FRAMES
    assert avatar.frames_path.stat().st_size == avatar.manifest.parts[FRAMES_PART].bytes
    del avatar
    worker.library.cache.trim()
    assert worker.files() == []
