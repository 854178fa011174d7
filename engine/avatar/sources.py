"""From the name that a caller gives an avatar to a file that can be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.avatar.uploads import upload_key
from engine.cancel import CancelToken
from engine.errors import AvatarNotAllowed, AvatarNotFound, ConfigurationError
from engine.fetching.download import FetchLimits, GuardedFetcher
from engine.settings import Settings
from engine.store.protocol import ObjectStore

UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AvatarSource(Protocol):
    """A place from which an avatar's file can be had."""

    def file(self, scratch: Path, cancel: CancelToken) -> Path:
        """The avatar's file: where it lies, or a copy of it in ``scratch``."""
        ...


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine, read where it lies."""

    path: Path

    def file(self, scratch: Path, cancel: CancelToken) -> Path:
        return self.path


@dataclass(frozen=True)
class Upload:
    """A file that a caller has sent before."""

    store: ObjectStore
    key: str

    def file(self, scratch: Path, cancel: CancelToken) -> Path:
        cancel.check()
        target = scratch / "avatar"
        if self.store.download(self.key, target) is None:
            raise AvatarNotFound("The uploaded avatar is gone. Upload it again.")
        return target


@dataclass(frozen=True)
class Address:
    """A file on the web."""

    url: str
    fetcher: GuardedFetcher
    limits: FetchLimits

    def file(self, scratch: Path, cancel: CancelToken) -> Path:
        target = scratch / "avatar"
        self.fetcher.download(self.url, target, self.limits, cancel)
        return target


@dataclass(frozen=True)
class AvatarSources:
    """Finds avatars: the default one, uploads by id, https addresses, and files beneath ``folders``.

    closed: folders, perhaps beneath those, whose files are nobody's avatar: the store holds other owners' uploads, and
    secrets.
    """

    store: ObjectStore
    fetcher: GuardedFetcher
    limits: FetchLimits
    default: Path
    folders: tuple[Path, ...]
    closed: tuple[Path, ...] = ()

    @classmethod
    def of(cls, settings: Settings, store: ObjectStore, fetcher: GuardedFetcher) -> AvatarSources:
        """The sources that the settings allow."""
        limits = FetchLimits(settings.max_avatar_bytes, settings.fetch_seconds)
        closed = (settings.store_dir, settings.cache_dir)
        return cls(store, fetcher, limits, settings.default_avatar, settings.avatar_dirs, closed)

    def find(self, name: str | None, owner: str | None = None) -> AvatarSource:
        """What ``name`` stands for; None stands for the default avatar. Of uploads, ``owner`` finds its own alone.

        Raises AvatarNotAllowed, AvatarNotFound or UrlNotAllowed: all that can be known without reading the file.
        """
        if name is None:
            self.check_default()
            return LocalFile(self.default)
        if "://" in name:
            return self._address(name)
        if (upload := self.upload_key(name, owner)) is not None:
            return Upload(self.store, upload)
        return LocalFile(self._beneath_folders(name))

    def demand_possible(self, name: str | None, owner: str | None = None) -> None:
        """Raise what ``find`` raises on every machine, whatever files it has beneath its folders.

        A plain word counts as an upload's id: a file of such a name is called ``./name``.
        """
        if name is None:
            return
        if "://" in name:
            self._address(name)
        elif UPLOAD_ID.fullmatch(name):
            if self.upload_key(name, owner) is None:
                raise _not_found(name)
        else:
            self._allowed_paths(name)

    def upload_key(self, name: str | None, owner: str | None = None) -> str | None:
        """Where the owner's upload lies that ``name`` stands for, if it is there; None for everything else."""
        if name is None or not UPLOAD_ID.fullmatch(name):
            return None
        key = upload_key(owner, name)
        return None if self.store.head(key) is None else key

    def check_default(self) -> None:
        """Raises ConfigurationError when there is no default avatar."""
        if not self.default.is_file():
            raise ConfigurationError(
                "The default avatar is missing. Build it with `python -m builder.default_avatar`, "
                "or set DEFAULT_AVATAR to a video."
            )

    def _address(self, url: str) -> AvatarSource:
        if url.partition("://")[0].lower() not in ("http", "https"):
            raise AvatarNotAllowed("An avatar's address has to begin with https://.")
        self.fetcher.check(url)
        return Address(url, self.fetcher, self.limits)

    def _beneath_folders(self, name: str) -> Path:
        for path in self._allowed_paths(name):
            if _is_file(path):
                return path
        raise _not_found(name)

    def _allowed_paths(self, name: str) -> list[Path]:
        """Where in the folders the file may lie, at least one place. Raises AvatarNotAllowed and AvatarNotFound."""
        if not name.strip():
            raise _not_found(name)
        if "\0" in name:
            raise AvatarNotAllowed("An avatar's path can't hold a NUL character.")
        roots = [folder.resolve() for folder in self.folders]
        closed = [folder.resolve() for folder in self.closed]
        found = [path for root in roots if (path := (root / name).resolve()).is_relative_to(root)]
        paths = [path for path in found if not any(path.is_relative_to(folder) for folder in closed)]
        if not paths:
            raise AvatarNotAllowed(
                "The avatar's path leads outside the folders of AVATAR_DIRS. Upload the video instead."
            )
        return paths


def _not_found(name: str) -> AvatarNotFound:
    return AvatarNotFound(f"There is no avatar `{name[:200]}`: no upload has that id and no file that name.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name longer than a file's can be is no file's, and Path.is_file raises.
        return False
