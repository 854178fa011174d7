"""Puts the MuseTalk renderer together from its weights."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.drawing.model_thread import ModelThread
from engine.errors import ConfigurationError
from engine.lipsync.choose import Renderer
from engine.lipsync.landmarks import FaceLandmarks
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_look import MuseTalkEyes
from engine.lipsync.musetalk_models import DWPOSE, models_of, revision_of
from engine.lipsync.musetalk_prepare import MuseTalkPreparer
from engine.lipsync.musetalk_track import MUSETALK
from engine.lipsync.musetalk_tuning import MuseTalkTuning
from engine.nets.networks import NetworkConfigs, Networks
from engine.nets.weight_files import PACKED_FOLDER
from engine.settings import Settings

log = logging.getLogger(__name__)

PREPARATION = 1
"""Rises whenever the preparation gives another track of the same frames."""
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class _Loaded:
    """All that comes from the weights. models: what they are, by file."""

    networks: Networks
    landmarks: FaceLandmarks
    models: dict[str, str]


def load_musetalk(settings: Settings, gpu: bool, configs: NetworkConfigs | None = None) -> Renderer:
    """The renderer on the GPU, if the machine has one, else on the CPU; by default with networks of official size.

    Raises WeightsMissing, WeightsDamaged, and ConfigurationError where torch can't use the machine's GPU.
    """
    device = _device(gpu)
    dtype = torch.float32 if device.type == "cpu" else DTYPES[settings.model_dtype]
    thread = ModelThread()
    configs = configs or NetworkConfigs()
    loaded = _load(settings, configs, device, dtype, thread)
    revision = _revision(settings, loaded.models, dtype)
    log.info("MuseTalk %s on %s, landmarks on %s.", revision, device.type, loaded.landmarks.device)
    eyes = MuseTalkEyes(loaded.networks, thread)
    preparer = MuseTalkPreparer(eyes, loaded.landmarks, revision, smooth=settings.smooth_boxes)
    lipsync = thread.run(lambda: _lipsync(settings, loaded.networks, thread))
    if settings.compile_networks == "off" or (settings.compile_networks == "auto" and not gpu):
        return Renderer(MUSETALK, revision, device.type, preparer, lipsync, thread)
    tuning = MuseTalkTuning(lipsync, thread, configs)
    return Renderer(MUSETALK, revision, device.type, preparer, lipsync, thread, tuning.tune)


def _lipsync(settings: Settings, networks: Networks, thread: ModelThread) -> MuseTalkLipSync:
    return MuseTalkLipSync(networks, thread, rests=settings.rest_in_silence, latents_bytes=settings.gpu_cache_bytes)


def _device(gpu: bool) -> torch.device:
    if not gpu:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigurationError(
            "torch can't use this machine's GPU. Install the torch of builder/requirements.txt and a driver that its "
            "CUDA takes, or hide the GPU with CUDA_VISIBLE_DEVICES=-1 to draw on the CPU, many times slower."
        )
    return torch.device("cuda")


def _load(
    settings: Settings, configs: NetworkConfigs, device: torch.device, dtype: torch.dtype, thread: ModelThread
) -> _Loaded:
    weights = settings.weights_dir
    with ThreadPoolExecutor(1, thread_name_prefix="landmarks") as beside:
        landmarks = beside.submit(_landmarks, weights, settings.least_face_score)
        networks = thread.run(lambda: Networks.load(weights / PACKED_FOLDER, configs, device, dtype))
        return _Loaded(networks, landmarks.result(), models_of(weights))


def _landmarks(weights: Path, least_score: float) -> FaceLandmarks:
    return FaceLandmarks(weights / DWPOSE, len(os.sched_getaffinity(0)), least_score)


def _revision(settings: Settings, models: dict[str, str], dtype: torch.dtype) -> str:
    """All that decides what a track holds, beside the frames and the options of a session."""
    digest = revision_of(
        models=models, dtype=str(dtype), smooth=settings.smooth_boxes, least_score=settings.least_face_score
    )
    return f"{PREPARATION}-{digest}"
