"""The face detector that MuseTalk's preparation runs over every whole frame: S3FD's layout, with seeded weights.

Source: Zhang et al. 2017, "S3FD: Single Shot Scale-invariant Face Detector", arXiv 1708.05237: VGG-16, two large
convolutions in place of its last layers, four more, and boxes predicted at six scales.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bench.random_weights import seeded_tensor
from engine.video.i420 import Bytes

LEVELS = (104.0, 117.0, 123.0)
"""The mean levels of blue, green and red, which the reference takes off red, green and blue."""
LEAST_SCORE = 0.05
VGG = ((1, (64, 64)), (2, (128, 128)), (3, (256, 256, 256)), (4, (512, 512, 512)), (5, (512, 512, 512)))
"""Blocks of 3 x 3 convolutions, by number and channels; a pooling lies between two."""
LAST = (
    ("fc6", 1024, 3, 1, 3),
    ("fc7", 1024, 1, 1, 0),
    ("conv6_1", 256, 1, 1, 0),
    ("conv6_2", 512, 3, 2, 1),
    ("conv7_1", 128, 1, 1, 0),
    ("conv7_2", 256, 3, 2, 1),
)
"""Name, channels, kernel, stride and padding of what follows them."""
NORMED = {"conv3_3": 10.0, "conv4_3": 8.0, "conv5_3": 5.0}
"""Layers that are predicted from with each pixel's vector brought to this length."""
PREDICTED = (*NORMED, "fc7", "conv6_2", "conv7_2")


@dataclass(frozen=True)
class FaceDetector:
    """``weights`` by the names of the official file, float32."""

    weights: Mapping[str, torch.Tensor]

    @classmethod
    def seeded(cls, device: torch.device, narrowed: int = 1, seed: int = 0) -> FaceDetector:
        """``narrowed``: every layer has this many times fewer channels than the official one. It sees no face."""
        layout = {name: torch.empty(shape, device="meta") for name, shape in _shapes(narrowed).items()}
        weights = {name: seeded_tensor(seed, name, like, device) for name, like in layout.items()}
        for name in PREDICTED:
            weights[f"{_prediction(name)}_conf.bias"][-1] = -20.0
        for name, length in NORMED.items():
            weights[f"{name}_norm.weight"].fill_(length)
        return cls(weights)

    def faces(self, picture: Bytes) -> int:
        """How many boxes of a BGR picture, uint8 (H, W, 3), are likely faces; the reference goes on to merge these."""
        rgb = picture[..., ::-1].astype(np.float32) - np.array(LEVELS, np.float32)
        device = self.weights["fc6.bias"].device
        planes = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)[None])).to(device)
        with torch.inference_mode():
            return sum(self._likely(name, x) for name, x in self._features(planes).items())

    def _features(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features: dict[str, torch.Tensor] = {}
        for block, channels in VGG:
            for layer in range(1, len(channels) + 1):
                x = self._convolved(f"conv{block}_{layer}", x)
            features[f"conv{block}_{len(channels)}"] = x
            x = functional.max_pool2d(x, 2, 2)
        for name, _, _, stride, padding in LAST:
            x = features[name] = self._convolved(name, x, stride, padding)
        return {name: self._scaled(name, features[name]) for name in PREDICTED}

    def _convolved(self, name: str, x: torch.Tensor, stride: int = 1, padding: int = 1) -> torch.Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.conv2d(x, weight, bias, stride, padding).relu_()

    def _scaled(self, name: str, x: torch.Tensor) -> torch.Tensor:
        if name not in NORMED:
            return x
        length = x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weights[f"{name}_norm.weight"][:, None, None]

    def _likely(self, name: str, x: torch.Tensor) -> int:
        place = _prediction(name)
        scores = functional.conv2d(x, self.weights[f"{place}_conf.weight"], self.weights[f"{place}_conf.bias"], 1, 1)
        # The finest scale has three backgrounds, of which the likeliest counts.
        background, face = scores[:, :-1].amax(1, keepdim=True), scores[:, -1:]
        likely: NDArray[np.float32] = torch.cat([background, face], 1).softmax(1)[:, 1].cpu().numpy()
        boxes = functional.conv2d(x, self.weights[f"{place}_loc.weight"], self.weights[f"{place}_loc.bias"], 1, 1)
        boxes.cpu()
        return int((likely > LEAST_SCORE).sum())


def _prediction(name: str) -> str:
    return f"{name}_norm_mbox" if name in NORMED else f"{name}_mbox"


def _shapes(narrowed: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the official file, narrowed."""
    vgg = [(f"conv{block}_{layer}", channels, 3) for block, row in VGG for layer, channels in enumerate(row, start=1)]
    shapes: dict[str, tuple[int, ...]] = {}
    inward, widths = 3, dict[str, int]()
    for name, channels, side in (*vgg, *((name, channels, side) for name, channels, side, _, _ in LAST)):
        widths[name] = channels // narrowed
        shapes |= _layer(name, inward, widths[name], side)
        inward = widths[name]
    for name in PREDICTED:
        shapes |= _layer(f"{_prediction(name)}_conf", widths[name], 4 if name == "conv3_3" else 2, 3)
        shapes |= _layer(f"{_prediction(name)}_loc", widths[name], 4, 3)
    return shapes | {f"{name}_norm.weight": (widths[name],) for name in NORMED}


def _layer(name: str, inward: int, outward: int, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outward, inward, side, side), f"{name}.bias": (outward,)}
