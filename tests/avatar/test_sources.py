"""What a caller may name as an avatar, where the operator's folders hold more than avatars."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.avatar.sources import AvatarSources, LocalFile
from engine.errors import AvatarNotAllowed
from engine.fetching.download import GuardedFetcher
from engine.fetching.guard import FetchPolicy
from engine.settings import Settings
from engine.store.local import LocalStore


@pytest.fixture
def sources(tmp_path: Path) -> AvatarSources:
    """Of an operator who has the store and the cache beneath the avatars' folder."""
    store = LocalStore(tmp_path / "store")
    for key in ("secrets/signing", "uploads/0123/theirs.mp4"):
        store.put(key, b"not for everybody")
    (tmp_path / "cache").mkdir()
    for name in ("face.mp4", "cache/theirs.mp4"):
        (tmp_path / name).write_bytes(b"a face")
    (tmp_path / "shortcut").symlink_to(tmp_path / "store")
    settings = Settings(store_dir=tmp_path / "store", cache_dir=tmp_path / "cache", avatar_dirs=(tmp_path,))
    return AvatarSources.of(settings, store, GuardedFetcher(FetchPolicy()))


def test_a_file_beneath_the_folders_is_found(sources: AvatarSources, tmp_path: Path) -> None:
    assert sources.find("./face.mp4") == LocalFile(tmp_path / "face.mp4")


@pytest.mark.parametrize(
    "name",
    [
        "store/secrets/signing",
        "./store/uploads/0123/theirs.mp4",
        "cache/theirs.mp4",
        "shortcut/secrets/signing",
        "face.mp4/../store/secrets/signing",
    ],
)
def test_nothing_of_the_store_is_an_avatar(name: str, sources: AvatarSources) -> None:
    with pytest.raises(AvatarNotAllowed):
        sources.find(name)
    with pytest.raises(AvatarNotAllowed):
        sources.demand_possible(name)
