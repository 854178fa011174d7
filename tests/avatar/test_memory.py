"""What is held of avatars in memory: how much at most, which of it, and that nobody sees a difference."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.cache import BundleCache
from engine.avatar.library import AvatarLibrary
from engine.avatar.memory import AvatarMemory, HeldAvatar, OpenedBundle
from engine.cancel import CancelToken
from engine.lipsync.renderer import Face, FaceTrack
from engine.video.compose import Alpha
from engine.video.i420 import I420
from engine.video.intra import FrameDamaged, IntraIndex
from tests.avatar.studio import FRAMES, HEIGHT, OPTIONS, WIDTH, Worker, silent, write_clip

FRAME_BYTES = WIDTH * HEIGHT * 3 // 2
SIDE, COUNT = 4, 5
TINY_FRAME, TINY_ALPHA = 24, 20
TINY_TRACK = COUNT * (4 * 4 + 4) + 2 * SIDE * SIDE + (COUNT + 1) * 8


def bundle() -> OpenedBundle:
    """Five frames of 4 x 4 with two masks; TINY_TRACK bytes."""
    masks = tuple(np.full((SIDE, SIDE), value, np.uint8) for value in (255, 128))
    boxes = np.tile(np.array([0, 0, SIDE, SIDE], np.int32), (COUNT, 1))
    track = FaceTrack(boxes, np.zeros(COUNT, np.int32), masks, {}, Face(SIDE, SIDE, 1.0))
    return OpenedBundle(track, IntraIndex(np.arange(COUNT + 1), SIDE, SIDE))


def frame(value: int) -> I420:
    return I420(np.full((SIDE * 3 // 2, SIDE), value, np.uint8))


class Decoder:
    """Makes frames that tell their index. decoded: those it made; alive: those of them that somebody still has."""

    def __init__(self) -> None:
        self.decoded: list[int] = []
        self.alive: weakref.WeakValueDictionary[int, I420] = weakref.WeakValueDictionary()

    def read(self, memory: AvatarMemory, avatar: HeldAvatar, *indices: int) -> list[int]:
        """Those of the frames that had to be decoded."""
        before = len(self.decoded)
        for index in indices:
            assert memory.frame(avatar, index, partial(self._decode, index)).y[0, 0] == index
        return self.decoded[before:]

    def _decode(self, index: int) -> I420:
        self.decoded.append(index)
        made = frame(index)
        self.alive[id(made)] = made
        return made


def holding(worker: Worker, budget: int) -> AvatarLibrary:
    """The worker's library with so much memory."""
    library = worker.library
    return AvatarLibrary(library.store, library.cache, library.preparation, library.scratch, AvatarMemory(budget))


def prepared(library: AvatarLibrary, clip: Path) -> PreparedAvatar:
    return library.prepare(clip, OPTIONS, silent, CancelToken())


def fetched(library: AvatarLibrary, key: str) -> PreparedAvatar:
    avatar = library.fetch(key)
    assert avatar is not None
    return avatar


def frames_of(avatar: PreparedAvatar) -> list[bytes]:
    with avatar.open_frames() as frames:
        return [frames.frame(index).packed.tobytes() for index in (*range(FRAMES), *reversed(range(FRAMES)))]


@pytest.mark.parametrize("budget", [0, 3 * FRAME_BYTES, 100 * FRAME_BYTES])
def test_frames_and_masks_are_the_same_whatever_is_held(worker: Worker, clip: Path, budget: int) -> None:
    plain = prepared(worker.library, clip)
    avatar = fetched(holding(worker, budget), plain.key)
    for _ in range(2):
        assert frames_of(avatar) == frames_of(plain)
        mask = Alpha.of(plain.track.masks[0])
        assert (avatar.alpha(0).size, avatar.alpha(0).area) == (mask.size, mask.area)
        assert avatar.alpha(0).luma.tobytes() == mask.luma.tobytes()
        assert avatar.alpha(0).chroma.tobytes() == mask.chroma.tobytes()


def test_a_second_job_opens_and_decodes_nothing(worker: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    first = prepared(library, clip)
    expected = frames_of(first)
    again = fetched(library, first.key)
    assert again.track is first.track
    assert again.alpha(0) is first.alpha(0)
    again.frames_path.rename(again.frames_path.with_name("moved"))
    assert frames_of(again) == expected


def test_with_a_budget_of_0_every_job_reads_for_itself(worker: Worker, clip: Path) -> None:
    library = holding(worker, 0)
    first = prepared(library, clip)
    frames_of(first)
    again = fetched(library, first.key)
    assert again.track is not first.track
    assert library.memory.bytes == 0
    assert library.memory.names() == []
    again.frames_path.unlink()
    with pytest.raises(FileNotFoundError):
        frames_of(again)


def test_frames_can_not_be_written_to(worker: Worker, clip: Path) -> None:
    for library in (worker.library, holding(worker, 1_000_000)):
        avatar = prepared(library, clip)
        with avatar.open_frames() as frames, pytest.raises(ValueError, match="read-only"):
            frames.frame(1).y[0, 0] = 0


def test_every_byte_is_counted(worker: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    avatar = prepared(library, clip)
    opened = library.memory.bytes
    # Boxes and mask numbers of 20 bytes a frame, a mask of 16 x 20, a float a frame, and the frames' offsets.
    assert opened == FRAMES * 20 + 320 + FRAMES * 4 + (FRAMES + 1) * 8
    frames_of(avatar)
    assert library.memory.bytes == opened + FRAMES * FRAME_BYTES
    avatar.alpha(0)
    assert library.memory.bytes == opened + FRAMES * FRAME_BYTES + 320 + 80


def test_a_damaged_frame_is_never_held(worker: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    avatar = prepared(library, clip)
    before = library.memory.bytes
    sound = avatar.frames_path.read_bytes()
    avatar.frames_path.write_bytes(bytes(len(sound)))
    with avatar.open_frames() as frames:
        for _ in range(2):
            with pytest.raises(FrameDamaged):
                frames.frame(2)
    assert library.memory.bytes == before
    avatar.frames_path.write_bytes(sound)
    with avatar.open_frames() as frames:
        assert frames.frame(2).width == WIDTH


def test_closed_frames_and_those_out_of_range_are_refused(worker: Worker, clip: Path) -> None:
    avatar = prepared(holding(worker, 1_000_000), clip)
    with avatar.open_frames() as frames:
        for index in (-1, FRAMES):
            with pytest.raises(IndexError):
                frames.frame(index)
    frames.close()
    with pytest.raises(ValueError, match="closed"):
        frames.frame(0)


def test_a_deleted_avatar_is_forgotten_and_its_job_goes_on(worker: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    avatar = prepared(library, clip)
    with avatar.open_frames() as frames:
        first = frames.frame(0).packed.tobytes()
        library.delete(avatar.key)
        assert library.memory.bytes == 0
        assert frames.frame(0).packed.tobytes() == first
        assert frames.frame(1).width == WIDTH
    assert library.memory.bytes == 0
    assert library.fetch(avatar.key) is None


def test_an_avatar_deleted_by_another_worker_is_forgotten(worker: Worker, other: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    key = prepared(library, clip).key
    other.library.delete(key)
    assert library.fetch(key) is None
    assert library.memory.names() == []


def test_an_avatar_that_is_collected_is_forgotten(worker: Worker, other: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    avatar = prepared(library, clip)
    assert library.collect(datetime.now(UTC)) == ()
    assert library.memory.names() == [avatar.manifest.name]
    # Another worker has collected it from the store they share, and its copy is gone from this one's disk.
    assert other.library.collect(datetime.now(UTC) + timedelta(hours=25)) == (avatar.key,)
    library.cache.drop(avatar.key)
    library.collect(datetime.now(UTC))
    assert library.memory.names() == []


def test_an_avatar_in_memory_keeps_nothing_on_the_disk(worker: Worker, clip: Path, tmp_path: Path) -> None:
    plain = worker.library
    cache = BundleCache(tmp_path / "small", 1)
    library = AvatarLibrary(plain.store, cache, plain.preparation, plain.scratch, AvatarMemory(1_000_000))
    avatar = prepared(library, clip)
    key, expected = avatar.key, frames_of(avatar)
    del avatar
    assert library.memory.bytes > FRAMES * FRAME_BYTES
    prepared(library, write_clip(tmp_path / "second.mp4", hue=2))
    cache.trim()
    assert cache.names() == []
    assert frames_of(fetched(library, key)) == expected


def test_jobs_at_once_share_one_avatar(worker: Worker, clip: Path) -> None:
    library = holding(worker, 1_000_000)
    key, together = prepared(library, clip).key, threading.Barrier(4)
    library.memory.drop(key)

    def job(_: int) -> tuple[PreparedAvatar, list[bytes]]:
        together.wait(10)
        avatar = fetched(library, key)
        return avatar, frames_of(avatar)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(job, range(4)))
    avatars = [avatar for avatar, _ in found]
    assert len({id(avatar.track) for avatar in avatars}) == 1
    assert all(seen == found[0][1] for _, seen in found)
    assert library.memory.bytes == avatars[0].held.bytes


def test_the_avatar_whose_last_use_is_longest_ago_makes_room() -> None:
    memory, decoder = AvatarMemory(3 * TINY_TRACK + 4 * TINY_FRAME), Decoder()
    old, recent, new = (memory.open(name, bundle) for name in ("old", "recent", "new"))
    decoder.read(memory, old, 0, 1)
    decoder.read(memory, recent, 0, 1)
    decoder.read(memory, old, 1)
    assert decoder.read(memory, new, 0, 0, 0) == [0, 0]
    assert decoder.read(memory, old, 0, 1) == []
    assert decoder.read(memory, recent, 0) == []
    assert decoder.read(memory, recent, 1) == [1]


def test_what_is_made_for_the_first_time_displaces_nothing() -> None:
    memory, decoder = AvatarMemory(2 * TINY_TRACK + 3 * TINY_FRAME), Decoder()
    idle, walked = memory.open("idle", bundle), memory.open("walked", bundle)
    decoder.read(memory, idle, 0, 1, 2)
    assert decoder.read(memory, walked, *range(COUNT)) == list(range(COUNT))
    assert decoder.read(memory, idle, 0, 1, 2) == []
    assert decoder.read(memory, walked, 3, 4) == [3, 4]
    assert decoder.read(memory, walked, 3, 4) == []
    assert decoder.read(memory, idle, 0) == []


def test_what_a_job_reads_makes_no_room() -> None:
    memory, decoder = AvatarMemory(2 * TINY_TRACK + 3 * TINY_FRAME), Decoder()
    used, hungry = memory.open("used", bundle), memory.open("hungry", bundle)
    memory.begin(used)
    decoder.read(memory, used, 0, 1, 2)
    for _ in range(3):
        assert decoder.read(memory, hungry, 0) == [0]
    assert decoder.read(memory, used, 0, 1, 2) == []
    memory.end(used)
    decoder.read(memory, hungry, 0)
    assert decoder.read(memory, hungry, 0) == []


def test_an_avatar_larger_than_the_room_keeps_the_same_part_of_itself() -> None:
    memory, decoder = AvatarMemory(TINY_TRACK + 3 * TINY_FRAME), Decoder()
    avatar = memory.open("large", bundle)
    decoder.read(memory, avatar, *range(COUNT))
    for _ in range(3):
        assert decoder.read(memory, avatar, *range(COUNT)) == [3, 4]


def test_an_avatar_that_has_given_up_everything_is_no_longer_held() -> None:
    memory, decoder = AvatarMemory(2 * TINY_TRACK + TINY_FRAME), Decoder()
    old = memory.open("old", bundle)
    decoder.read(memory, old, 0)
    for name in ("second", "third"):
        memory.open(name, bundle)
    assert memory.names() == ["second", "third"]
    assert memory.bytes == 2 * TINY_TRACK
    assert decoder.read(memory, old, 0, 0) == [0, 0]
    assert memory.bytes == 2 * TINY_TRACK


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "begin", "end", "drop", "frame", "frame", "frame", "mask"]),
        st.integers(0, 3),
        st.integers(0, COUNT - 1),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 3 * TINY_TRACK + 8 * TINY_FRAME))
def test_the_budget_holds_whatever_happens(steps: list[tuple[str, int, int]], budget: int) -> None:
    memory, decoder = AvatarMemory(budget), Decoder()
    masks: weakref.WeakValueDictionary[tuple[int, int], Alpha] = weakref.WeakValueDictionary()
    avatars = {number: memory.open(str(number), bundle) for number in range(4)}
    for step, number, which in steps:
        avatar = avatars[number]
        if step == "open":
            avatars[number] = memory.open(str(number), bundle)
        elif step == "begin":
            memory.begin(avatar)
        elif step == "end" and avatar.jobs:
            memory.end(avatar)
        elif step == "drop":
            memory.drop(str(number))
        elif step == "frame":
            decoder.read(memory, avatar, which)
        elif step == "mask":
            masks[which % 2, number] = memory.alpha(avatar, which % 2)
        held = len(memory.names()) * TINY_TRACK + len(decoder.alive) * TINY_FRAME + len(masks) * TINY_ALPHA
        assert memory.bytes == held <= budget
