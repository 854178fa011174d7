"""The one place that chooses a renderer."""

from __future__ import annotations

from dataclasses import dataclass

from engine.lipsync.preview import PreviewLipSync
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.lipsync.renderer import LipSync, Preparer
from engine.settings import Settings


@dataclass(frozen=True)
class Renderer:
    """A preparer and the lip sync that draws what it prepared; ``device`` is what they run on."""

    name: str
    revision: str
    device: str
    preparer: Preparer
    lipsync: LipSync


def choose_renderer(settings: Settings) -> Renderer:
    """The renderer that the settings ask for."""
    match settings.renderer:
        case "auto" | "preview":
            return _preview()


def _preview() -> Renderer:
    preparer = PreviewPreparer()
    return Renderer(preparer.name, preparer.revision, "cpu", preparer, PreviewLipSync())
