"""Bundles that lie damaged in the store: found out, taken back, prepared anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from engine.avatar.bundle import PreparedAvatar
from engine.avatar.manifest import FRAMES, THUMBNAIL, TRACK, Manifest, measure
from engine.cancel import CancelToken
from engine.store.local import LocalStore
from tests.avatar.studio import OPTIONS, Worker, silent

Damage = Callable[[LocalStore, Manifest], None]


def manifest_key(manifest: Manifest) -> str:
    return f"avatars/{manifest.key}/manifest.json"


def body_of(store: LocalStore, key: str) -> bytes:
    found = store.get(key)
    assert found is not None
    return found.body


def truncate(store: LocalStore, manifest: Manifest) -> None:
    key = manifest.part_key(FRAMES)
    store.put(key, body_of(store, key)[:-1])


def flip(store: LocalStore, manifest: Manifest) -> None:
    key = manifest.part_key(FRAMES)
    body = bytearray(body_of(store, key))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))


def empty(store: LocalStore, manifest: Manifest) -> None:
    store.put(manifest.part_key(THUMBNAIL), b"")


def remove(store: LocalStore, manifest: Manifest) -> None:
    store.delete(manifest.part_key(TRACK))


def forge_track(store: LocalStore, manifest: Manifest) -> None:
    """Another track, whose checksum the manifest gives."""
    arrays = load(body_of(store, manifest.part_key(TRACK)))
    arrays["boxes"] = np.array(arrays["boxes"]) + np.int32(1000)
    scratch = Path(store.url(manifest.part_key(TRACK))).with_suffix(".forged")
    scratch.write_bytes(save(arrays))
    part = measure(scratch)
    store.put(manifest.part_key(TRACK), scratch.read_bytes())
    scratch.unlink()
    forged = manifest.model_copy(update={"parts": {**manifest.parts, TRACK: part}})
    store.put(manifest_key(manifest), forged.model_dump_json().encode())


def count_frames_wrong(store: LocalStore, manifest: Manifest) -> None:
    change_manifest(store, manifest, frames=manifest.frames + 1)


def change_manifest(store: LocalStore, manifest: Manifest, **fields: object) -> None:
    changed = {**json.loads(manifest.model_dump_json()), **fields}
    store.put(manifest_key(manifest), json.dumps(changed).encode())


def of_another_version(store: LocalStore, manifest: Manifest) -> None:
    change_manifest(store, manifest, format=99)


def of_another_avatar(store: LocalStore, manifest: Manifest) -> None:
    change_manifest(store, manifest, key="0" * 64)


def that_leads_elsewhere(store: LocalStore, manifest: Manifest) -> None:
    change_manifest(store, manifest, attempt="../../../sessions")


def with_an_odd_width(store: LocalStore, manifest: Manifest) -> None:
    change_manifest(store, manifest, width=95)


def with_another_width(store: LocalStore, manifest: Manifest) -> None:
    """Every checksum and the track still fit."""
    change_manifest(store, manifest, width=manifest.width + 2)


def garbage(store: LocalStore, manifest: Manifest) -> None:
    store.put(manifest_key(manifest), b"\xff{not json")


def nothing(store: LocalStore, manifest: Manifest) -> None:
    store.put(manifest_key(manifest), b"")


OF_PARTS: list[Damage] = [truncate, flip, empty, remove, forge_track, count_frames_wrong, with_another_width]
OF_MANIFESTS: list[Damage] = [
    of_another_version,
    of_another_avatar,
    that_leads_elsewhere,
    with_an_odd_width,
    garbage,
    nothing,
]


def prepare(worker: Worker, clip: Path) -> PreparedAvatar:
    return worker.library.prepare(clip, OPTIONS, silent, CancelToken())


@pytest.mark.parametrize("damage", OF_PARTS + OF_MANIFESTS)
def test_a_damaged_bundle_is_no_bundle_and_is_prepared_anew(
    worker: Worker, other: Worker, clip: Path, damage: Damage
) -> None:
    first = prepare(worker, clip)
    damage(worker.store, first.manifest)
    assert other.library.fetch(first.key) is None
    assert not other.library.exists(first.key)
    assert [file for file in other.files() if file.startswith("cache/entries/")] == []
    again = prepare(other, clip)
    assert again.key == first.key
    assert other.preparer.begun == 1
    with again.open_frames() as frames:
        assert sum(1 for _ in frames) == first.manifest.frames
    fetched = worker.library.fetch(first.key)
    assert fetched is not None
    assert fetched.manifest == again.manifest


@pytest.mark.parametrize("damage", OF_PARTS)
def test_preparing_finds_the_damage_by_itself_and_leaves_one_bundle(
    worker: Worker, other: Worker, clip: Path, damage: Damage
) -> None:
    damage(worker.store, prepare(worker, clip).manifest)
    avatar = prepare(other, clip)
    assert other.preparer.begun == 1
    parts = [avatar.manifest.part_key(name) for name in avatar.manifest.parts]
    assert sorted(key for key in other.stored() if not key.endswith("/used")) == sorted(
        [*parts, manifest_key(avatar.manifest)]
    )


def test_a_withdrawn_avatars_parts_are_gone(worker: Worker, other: Worker, clip: Path) -> None:
    manifest = prepare(worker, clip).manifest
    flip(worker.store, manifest)
    assert other.library.fetch(manifest.key) is None
    assert [key for key in other.stored() if manifest.attempt in key] == []


def test_who_finds_old_damage_does_not_take_back_what_is_new(worker: Worker, other: Worker, clip: Path) -> None:
    """Several workers meet the same damage at once; all end with a sound avatar, and the store with one."""
    key = prepare(worker, clip).key
    manifest = Manifest.model_validate_json(body_of(worker.store, f"avatars/{key}/manifest.json"))
    flip(worker.store, manifest)
    workers = [other, *(Worker.start(other.disk.with_name(name), other.disk.with_name("store")) for name in ("c", "d"))]
    start = threading.Barrier(len(workers))

    def work(each: Worker) -> PreparedAvatar:
        start.wait(30)
        return prepare(each, clip)

    with ThreadPoolExecutor(len(workers)) as pool:
        avatars = list(pool.map(work, workers))
    assert {avatar.key for avatar in avatars} == {key}
    assert len({avatar.manifest.attempt for avatar in avatars} - {manifest.attempt}) == 1
    assert len([name for name in other.stored() if not name.endswith("/used")]) == 4


def test_a_copy_altered_on_this_disk_is_fetched_anew(worker: Worker, clip: Path) -> None:
    avatar = prepare(worker, clip)
    name, path, key = avatar.manifest.name, avatar.frames_path, avatar.key
    sound = path.read_bytes()
    del avatar
    path.write_bytes(b"\0" + sound[1:])
    fresh = Worker.start(worker.disk, Path(worker.store.url("x")).parent).library.fetch(key)
    assert fresh is not None
    assert fresh.manifest.name == name
    assert fresh.frames_path.read_bytes() == sound


def test_a_bundle_that_another_published_first_and_that_is_damaged_is_replaced(
    worker: Worker, other: Worker, clip: Path
) -> None:
    theirs: list[Manifest] = []

    def overtake(stage: str, share: float) -> None:
        if stage == "saving" and not theirs:
            theirs.append(prepare(other, clip).manifest)
            flip(other.store, theirs[0])

    mine = worker.library.prepare(clip, OPTIONS, overtake, CancelToken())
    assert mine.manifest.attempt != theirs[0].attempt
    assert len(worker.stored()) == 4
    assert Worker.start(worker.disk.with_name("c"), worker.disk.with_name("store")).library.fetch(mine.key) is not None
