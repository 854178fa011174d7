"""BiSeNet against an implementation in plain functions, written from the paper and the official file's names."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.nets.bisenet import BiSeNet, BiSeNetConfig

OFFICIAL = BiSeNetConfig()
TINY = BiSeNetConfig(trunk=(8, 12, 16, 20), context=12, fused=24, side=4, classes=5)
UNUSED = ("conv_out16.", "conv_out32.", "num_batches_tracked")
"""Parts of names that the official file holds and that inference never reads."""


class Reference:
    """The network as functions of named tensors; remembers which names it read."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self.read: set[str] = set()

    def __call__(self, picture: Tensor) -> Tensor:
        stem = self._relu_norm(self._conv(picture, "cp.resnet.conv1", 2, 3), "cp.resnet.bn1")
        stem = functional.max_pool2d(stem, kernel_size=3, stride=2, padding=1)
        quarter = self._block(self._block(stem, "layer1.0", 1), "layer1.1", 1)
        eighth = self._block(self._block(quarter, "layer2.0", 2), "layer2.1", 1)
        sixteenth = self._block(self._block(eighth, "layer3.0", 2), "layer3.1", 1)
        thirty_second = self._block(self._block(sixteenth, "layer4.0", 2), "layer4.1", 1)

        mean = functional.adaptive_avg_pool2d(thirty_second, 1)
        mean = self._conv_norm_relu(mean, "cp.conv_avg", 0)
        mean = functional.interpolate(mean, thirty_second.shape[2:], mode="nearest")
        coarse = self._attention(thirty_second, "cp.arm32") + mean
        coarse = functional.interpolate(coarse, sixteenth.shape[2:], mode="nearest")
        coarse = self._conv_norm_relu(coarse, "cp.conv_head32", 1)
        finer = self._attention(sixteenth, "cp.arm16") + coarse
        finer = functional.interpolate(finer, eighth.shape[2:], mode="nearest")
        finer = self._conv_norm_relu(finer, "cp.conv_head16", 1)

        joined = self._conv_norm_relu(torch.cat([eighth, finer], 1), "ffm.convblk", 0)
        weights = functional.relu(self._conv(functional.adaptive_avg_pool2d(joined, 1), "ffm.conv1"))
        joined = joined * torch.sigmoid(self._conv(weights, "ffm.conv2")) + joined

        scores = self._conv(self._conv_norm_relu(joined, "conv_out.conv", 1), "conv_out.conv_out")
        return functional.interpolate(scores, picture.shape[2:], mode="bilinear", align_corners=True)

    def _get(self, name: str) -> Tensor:
        self.read.add(name)
        return self._tensors[name]

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        return functional.conv2d(x, self._get(f"{name}.weight"), None, stride, padding)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (
            self._get(f"{name}.{part}")[None, :, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    def _relu_norm(self, x: Tensor, name: str) -> Tensor:
        return self._norm(x, name).clamp(min=0)

    def _conv_norm_relu(self, x: Tensor, name: str, padding: int) -> Tensor:
        return self._relu_norm(self._conv(x, f"{name}.conv", 1, padding), f"{name}.bn")

    def _block(self, x: Tensor, name: str, stride: int) -> Tensor:
        name = f"cp.resnet.{name}"
        inner = self._relu_norm(self._conv(x, f"{name}.conv1", stride, 1), f"{name}.bn1")
        inner = self._norm(self._conv(inner, f"{name}.conv2", 1, 1), f"{name}.bn2")
        if f"{name}.downsample.0.weight" in self._tensors:
            x = self._norm(self._conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        return (inner + x).clamp(min=0)

    def _attention(self, x: Tensor, name: str) -> Tensor:
        x = self._conv_norm_relu(x, f"{name}.conv", 1)
        weights = self._conv(x.mean(dim=(2, 3))[:, :, None, None], f"{name}.conv_atten")
        return x * torch.sigmoid(self._norm(weights, f"{name}.bn_atten"))


def layout(config: BiSeNetConfig) -> dict[str, tuple[int, ...]]:
    """Every name and shape of a file in the official layout."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, channels: int, size: int) -> None:
        shapes[f"{name}.weight"] = (out, channels, size, size)

    def norm(name: str, channels: int) -> None:
        shapes[f"{name}.num_batches_tracked"] = ()
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})

    def conv_norm(name: str, out: int, channels: int, size: int) -> None:
        conv(f"{name}.conv", out, channels, size)
        norm(f"{name}.bn", out)

    conv("cp.resnet.conv1", config.trunk[0], 3, 7)
    norm("cp.resnet.bn1", config.trunk[0])
    channels = config.trunk[0]
    for stage, out in enumerate(config.trunk, start=1):
        for block in ("0", "1"):
            name = f"cp.resnet.layer{stage}.{block}"
            conv(f"{name}.conv1", out, channels, 3)
            conv(f"{name}.conv2", out, out, 3)
            norm(f"{name}.bn1", out)
            norm(f"{name}.bn2", out)
            if channels != out:
                conv(f"{name}.downsample.0", out, channels, 1)
                norm(f"{name}.downsample.1", out)
            channels = out
    for name, channels in (("cp.arm16", config.trunk[2]), ("cp.arm32", config.trunk[3])):
        conv_norm(f"{name}.conv", config.context, channels, 3)
        conv(f"{name}.conv_atten", config.context, config.context, 1)
        norm(f"{name}.bn_atten", config.context)
    conv_norm("cp.conv_head16", config.context, config.context, 3)
    conv_norm("cp.conv_head32", config.context, config.context, 3)
    conv_norm("cp.conv_avg", config.context, config.trunk[3], 1)
    conv_norm("ffm.convblk", config.fused, config.trunk[1] + config.context, 1)
    conv("ffm.conv1", config.fused // 4, config.fused, 1)
    conv("ffm.conv2", config.fused, config.fused // 4, 1)
    for name, inner, channels in (
        ("conv_out", config.fused, config.fused),
        ("conv_out16", config.side, config.context),
        ("conv_out32", config.side, config.context),
    ):
        conv_norm(f"{name}.conv", inner, channels, 3)
        conv(f"{name}.conv_out", config.classes, inner, 1)
    return shapes


def random_tensors(config: BiSeNetConfig, seed: int) -> dict[str, Tensor]:
    """Seeded tensors in the official layout; every norm has its own mean, spread, scale and shift."""
    generator = torch.Generator().manual_seed(seed)

    def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.tensor(79_999)
        if len(shape) == 4:
            return torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]))
        if name.endswith(("running_var", "weight")):
            return 0.5 + torch.rand(shape, generator=generator)
        return torch.randn(shape, generator=generator) * 0.3

    return {name: tensor(name, shape) for name, shape in layout(config).items()}


def loaded(config: BiSeNetConfig, tensors: dict[str, Tensor]) -> BiSeNet:
    with torch.device("meta"):
        network = BiSeNet(config)
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(9))


def assert_same(config: BiSeNetConfig, batch: Tensor) -> None:
    tensors = random_tensors(config, seed=5)
    with torch.inference_mode():
        expected = Reference(tensors)(batch)
        scores = loaded(config, tensors)(batch)
    assert scores.shape == (len(batch), config.classes, *batch.shape[2:])
    assert float((scores - expected).abs().max()) <= 1e-4 * float(expected.std())


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (50, 70), (33, 31)])
def test_a_tiny_network_scores_as_the_reference(height: int, width: int) -> None:
    assert_same(TINY, pictures(2, height, width))


def test_the_official_size_scores_a_small_picture_as_the_reference() -> None:
    assert_same(OFFICIAL, pictures(1, 64, 64))


@pytest.mark.full
def test_the_official_size_scores_a_whole_picture_as_the_reference() -> None:
    assert_same(OFFICIAL, pictures(1, 512, 512))


def test_names_and_shapes_are_those_of_the_official_file() -> None:
    with torch.device("meta"):
        state = BiSeNet(OFFICIAL).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == layout(OFFICIAL)
    assert len(state) == 191
    assert sum(state[name].numel() for name in state if name.endswith(("weight", "bias"))) == 13_300_416


def test_the_reference_reads_every_tensor_that_inference_needs() -> None:
    tensors = random_tensors(TINY, seed=1)
    reference = Reference(tensors)
    reference(pictures(1, 32, 32))
    assert reference.read == {name for name in tensors if not any(part in name for part in UNUSED)}


def test_every_tensor_that_inference_needs_matters() -> None:
    tensors = random_tensors(TINY, seed=2)
    batch = pictures(1, 48, 48)
    with torch.inference_mode():
        before = loaded(TINY, tensors)(batch)
        for name in tensors:
            after = loaded(TINY, {**tensors, name: tensors[name] * 1.5})(batch)
            change = float((after - before).abs().max() / before.std())
            assert (change > 1e-3) is not any(part in name for part in UNUSED), name


def test_a_missing_tensor_is_named() -> None:
    tensors = random_tensors(TINY, seed=3)
    del tensors["cp.arm32.conv_atten.weight"]
    with pytest.raises(RuntimeError, match=r"cp\.arm32\.conv_atten\.weight"):
        loaded(TINY, tensors)


def test_a_class_is_the_one_with_the_highest_score() -> None:
    tensors = random_tensors(TINY, seed=4)
    network, batch = loaded(TINY, tensors), pictures(2, 40, 56)
    with torch.inference_mode():
        classes, scores = network.classify(batch), Reference(tensors)(batch)
    assert classes.dtype == torch.uint8
    assert classes.shape == (2, 40, 56)
    chosen = scores.gather(1, classes.long()[:, None])[:, 0]
    assert bool((scores.amax(1) - chosen <= 1e-4 * scores.std()).all())
    assert int(classes.min()) < int(classes.max())


def test_a_picture_is_scored_alike_alone_and_in_company() -> None:
    network, batch = loaded(TINY, random_tensors(TINY, seed=6)), pictures(3, 32, 32)
    with torch.inference_mode():
        together = network(batch)
        alone = torch.cat([network(picture[None]) for picture in batch])
    assert float((together - alone).abs().max()) <= 1e-4 * float(alone.std())
