"""The one place that chooses a renderer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError, WeightsMissing
from engine.lipsync.gpu import has_gpu
from engine.lipsync.musetalk_models import COMMAND, are_installed
from engine.lipsync.preview import PreviewLipSync
from engine.lipsync.preview_prepare import PreviewPreparer
from engine.lipsync.renderer import LipSync, Preparer
from engine.settings import Settings
from engine.store.protocol import ObjectStore


def _as_it_is(_: ObjectStore) -> None:
    """There is nothing to tune."""


@dataclass(frozen=True)
class Renderer:
    """A preparer and the lip sync that draws what it prepared.

    device: what they run on, "cuda" or "cpu". thread: the one that the lip sync's model belongs to. tune: called before
    the first drawing with the store that keeps what makes drawing faster.
    """

    name: str
    revision: str
    device: str
    preparer: Preparer
    lipsync: LipSync
    thread: ModelThread
    tune: Callable[[ObjectStore], None] = _as_it_is


def choose_renderer(settings: Settings, gpu: Callable[[], bool] = has_gpu) -> Renderer:
    """The renderer that the settings ask for. ``gpu``: whether this machine has a GPU for the networks.

    Raises WeightsMissing and WeightsDamaged: nothing stands in for MuseTalk where it was asked for, nor on a GPU,
    which nobody rents for a preview. Raises ConfigurationError where MuseTalk can't run here.
    """
    match settings.renderer:
        case "preview":
            return _preview()
        case "auto" if not are_installed(settings.weights_dir):
            if gpu():
                raise WeightsMissing(
                    f"This machine has a GPU and no weights of MuseTalk. Fetch them with `{COMMAND} --dir` and a "
                    "folder that WEIGHTS_DIR names, or set RENDERER to preview."
                )
            return _preview()
        case _:
            return _musetalk(settings, gpu())


def _preview() -> Renderer:
    preparer = PreviewPreparer()
    return Renderer(preparer.name, preparer.revision, "cpu", preparer, PreviewLipSync(), ModelThread())


def _musetalk(settings: Settings, gpu: bool) -> Renderer:
    try:
        # Here, because only this renderer needs torch and onnxruntime.
        from engine.lipsync.musetalk_load import load_musetalk
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The renderer `musetalk` needs {error.name}, which is not installed: "
            "`pip install -r builder/requirements.txt`, or set RENDERER to preview."
        ) from error
    return load_musetalk(settings, gpu)
