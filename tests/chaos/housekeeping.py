"""The product's own sweep of a store, as if days had passed: what is left then, something has to need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from engine.avatar.library import AvatarLibrary
from engine.housekeeping.avatars import default_avatar_keys
from engine.housekeeping.housekeeper import Housekeeper, Swept
from engine.lifetimes import Lifetimes
from engine.lipsync.choose import Renderer, choose_renderer
from engine.records import Records
from engine.settings import Settings
from engine.store.protocol import ObjectStore

DAY = timedelta(days=1)


@dataclass(frozen=True)
class House:
    """A store, and a folder for the sweeper's own files."""

    store: ObjectStore
    folder: Path
    default_avatar: Path

    def lasting(self) -> frozenset[str]:
        """Keys of the avatars that stay."""
        return default_avatar_keys(self._library(self._settings()), self.default_avatar)

    def sweep_after_a_day(self) -> Swept:
        """All jobs are over, and sessions live for ever."""
        return self._sweep(timedelta(hours=25), Lifetimes(None, DAY, DAY))

    def sweep_after_weeks(self) -> Swept:
        """Everything that is ever given up is over."""
        return self._sweep(timedelta(days=40), Lifetimes(DAY, DAY, DAY))

    def objects(self) -> Mapping[str, bytes]:
        """All that is stored."""
        found = ((info.key, self.store.get(info.key)) for info in list(self.store.list("")))
        return {key: stored.body for key, stored in found if stored is not None}

    def _sweep(self, later: timedelta, lifetimes: Lifetimes) -> Swept:
        def clock() -> datetime:
            return datetime.now(UTC) + later

        settings = self._settings()
        library = self._library(settings)
        protected = partial(default_avatar_keys, library, settings.default_avatar)
        keeper = Housekeeper(self.store, Records(self.store, clock), library, lifetimes, protected, clock)
        return keeper.sweep(clock())

    def _settings(self) -> Settings:
        return Settings(
            renderer="preview",
            default_avatar=self.default_avatar,
            cache_dir=self.folder / "cache",
            scratch_dir=self.folder / "scratch",
        )

    def _library(self, settings: Settings) -> AvatarLibrary:
        return AvatarLibrary.of(settings, self.store, self._renderer(settings))

    @staticmethod
    def _renderer(settings: Settings) -> Renderer:
        return choose_renderer(settings)
