"""A real engine on a folder of its own, with a tiny avatar, for tests that go through its door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cancel import CancelToken
from engine.engine import Engine, Job
from engine.lipsync.choose import Renderer
from engine.settings import Settings
from engine.store.local import LocalStore


@dataclass
class EngineGround:
    """``folder`` holds avatars/, store/, cache/ and scratch/; jobs get ids job-1, job-2... unless they name one."""

    folder: Path
    engine: Engine = field(init=False)
    jobs: int = 0

    def open(self, drawing: Renderer | None = None, **settings: Any) -> EngineGround:
        """``drawing``: a renderer made by hand; otherwise the settings choose one, by default the preview."""
        (self.folder / "scratch").mkdir(exist_ok=True)
        (self.folder / "avatars").mkdir(exist_ok=True)
        chosen = self.settings(**settings)
        self.engine = Engine.open(chosen, LocalStore(chosen.store_dir), drawing)
        return self

    def settings(self, **changes: Any) -> Settings:
        fields: dict[str, Any] = {
            "renderer": "preview",
            "store_dir": self.folder / "store",
            "cache_dir": self.folder / "cache",
            "network_volume": self.folder,
            "scratch_dir": self.folder / "scratch",
            "avatar_dirs": (self.folder / "avatars",),
            "default_avatar": self.folder / "avatars" / "default.mp4",
            "decode_seconds": 60,
        }
        return Settings(**(fields | changes))

    def run(
        self,
        job_input: object,
        job_id: str | None = None,
        progress: Callable[[dict[str, Any]], None] = lambda _: None,
        cancel: CancelToken | None = None,
    ) -> dict[str, Any]:
        self.jobs += 1
        return self.engine.run(Job(job_id or f"job-{self.jobs}", job_input), progress, cancel or CancelToken())

    def stored(self) -> dict[str, str]:
        """Every object of the store with its etag."""
        return {item.key: item.etag for item in self.engine.store.list("")}

    def left_in_scratch(self) -> list[str]:
        return [path.name for path in (self.folder / "scratch").iterdir()]
