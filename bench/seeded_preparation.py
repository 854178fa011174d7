"""What both ways of preparing an avatar start from: a video, and networks with the same seeded weights.

The networks' last layers are told what they find: one face, at one place, all of it skin.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from bench import network_sizes, seeded_pose
from bench.face_detector import FaceDetector
from bench.random_weights import filled, seeded_tensor
from bench.reference_preparation import ReferenceModels
from bench.scene import swaying_scene
from engine.drawing.model_thread import ModelThread
from engine.lipsync.face_box import NOSE, Points
from engine.lipsync.face_mask import SKIN
from engine.lipsync.landmarks import CUDA, FaceLandmarks
from engine.lipsync.musetalk_look import MuseTalkEyes
from engine.lipsync.musetalk_prepare import MuseTalkPreparer
from engine.nets.bisenet import BiSeNet
from engine.nets.checkpoint import State
from engine.nets.networks import NetworkConfigs, Networks, on_meta
from engine.nets.unet import UNet
from engine.nets.vae import VaeDecoder, VaeEncoder
from engine.nets.whisper import WhisperEncoder
from engine.video.encode import EncoderSettings, Mp4Writer

LAST_OF_PARSER = "conv_out.conv_out.weight"
SEED = 0


@dataclass(frozen=True)
class Workload:
    """detector: how many times fewer channels than the official ones its layers have."""

    width: int
    height: int
    frames: int
    repetitions: int
    networks: NetworkConfigs = network_sizes.FULL
    pose: seeded_pose.PoseSize = seeded_pose.FULL
    detector: int = 1


FULL = Workload(1280, 720, 6, 3)
QUICK = Workload(256, 192, 3, 1, network_sizes.QUICK, seeded_pose.QUICK, 16)


@dataclass(frozen=True)
class SeededPreparation:
    """encoder: the autoencoder's half, which ``preparer`` does without."""

    video: Path
    encoder: VaeEncoder
    device: torch.device
    dtype: torch.dtype
    preparer: MuseTalkPreparer
    reference: ReferenceModels

    @classmethod
    def make(cls, workload: Workload, device: torch.device, folder: Path) -> SeededPreparation:
        """The video and the pose's file lie in ``folder``."""
        pose, video = folder / "pose.onnx", folder / "avatar.mp4"
        write_video(video, workload)
        points = told_face(workload.width, workload.height)
        answers = seeded_pose.Answers.of(points, workload.width, workload.height)
        seeded_pose.write_pose(pose, workload.pose, answers, SEED)
        finder = FaceLandmarks(pose, len(os.sched_getaffinity(0)))
        networks = seeded_networks(workload.networks, device)
        eyes = MuseTalkEyes(without_encoder(networks, workload.networks), ModelThread())
        providers = [CUDA] if finder.device == "cuda" else ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(pose, providers=providers)
        reference = ReferenceModels(session, FaceDetector.seeded(device, workload.detector, SEED), networks.bisenet)
        preparer = MuseTalkPreparer(eyes, finder, "seeded")
        return cls(video, networks.vae_encoder, device, networks.dtype, preparer, reference)


class Unencoding(VaeEncoder):
    """Answers zeros at once."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.new_zeros(len(images), 4, 32, 32)


def without_encoder(networks: Networks, configs: NetworkConfigs) -> Networks:
    return replace(networks, vae_encoder=on_meta(lambda: Unencoding(configs.vae)))


def seeded_networks(configs: NetworkConfigs, device: torch.device) -> Networks:
    """The two that a preparation uses; the others hold no weights."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    encoder, parser = on_meta(lambda: VaeEncoder(configs.vae)), on_meta(lambda: BiSeNet(configs.bisenet))
    return Networks(
        unet=on_meta(lambda: UNet(configs.unet)),
        vae_encoder=filled(encoder, _state(encoder, device), dtype),
        vae_decoder=on_meta(lambda: VaeDecoder(configs.vae)),
        whisper=on_meta(lambda: WhisperEncoder(configs.whisper)),
        bisenet=filled(parser, _all_skin(_state(parser, device)), torch.float32),
        device=device,
        dtype=dtype,
    )


def _state(network: nn.Module, device: torch.device) -> State:
    return {key: seeded_tensor(SEED, key, like, device) for key, like in network.state_dict().items()}


def _all_skin(state: State) -> State:
    weight = torch.zeros_like(state[LAST_OF_PARSER])
    weight[SKIN] = 1
    return {**state, LAST_OF_PARSER: weight}


def told_face(width: int, height: int) -> Points:
    """A face in the frame's middle, half as high as it."""
    x, y, reach = width / 2, height / 2, height / 4
    points = np.full((68, 2), (x, y), np.float64)
    points[0], points[16] = (x - 0.8 * reach, y), (x + 0.8 * reach, y)
    points[NOSE], points[8] = (x, y), (x, y + reach)
    return points


def write_video(path: Path, workload: Workload) -> None:
    scene = swaying_scene(workload.width, workload.height, workload.height // 4 * 2, workload.frames)
    with Mp4Writer(path, workload.width, workload.height, EncoderSettings()) as writer:
        for frame in scene.frames:
            writer.write_frame(frame)
