"""BiSeNet (Yu et al. 2018, arXiv 1808.00897): says of every pixel of a face what it shows.

Its trunk is a ResNet-18, whose features at an eighth of the size stand in for the paper's spatial path. The
names of the parameters are those of the official face parser's file, ``79999_iter.pth``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class BiSeNetConfig:
    """Sizes of the network; the defaults are the official face parser's.

    trunk: channels of the ResNet's four stages. context: channels of the context path.
    fused: channels after the fusion. side: channels inside the two heads that only training used.
    """

    trunk: tuple[int, int, int, int] = (64, 128, 256, 512)
    context: int = 128
    fused: int = 256
    side: int = 64
    classes: int = 19


class BiSeNet(nn.Module):
    """Pictures in, a score for every class and pixel out; always in evaluation mode when made."""

    def __init__(self, config: BiSeNetConfig) -> None:
        super().__init__()
        self.cp = ContextPath(config)
        self.ffm = FeatureFusion(config.trunk[1] + config.context, config.fused)
        self.conv_out = ClassHead(config.fused, config.fused, config.classes)
        # Training's two further heads stay, unused, so that the official file loads strictly.
        self.conv_out16 = ClassHead(config.context, config.side, config.classes)
        self.conv_out32 = ClassHead(config.context, config.side, config.classes)
        self.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """[B, 3, H, W], RGB less ImageNet's mean over its deviation, to scores [B, classes, H, W]."""
        fine, context = self.cp(pictures)
        scores = self.conv_out(self.ffm(fine, context))
        return functional.interpolate(scores, pictures.shape[-2:], mode="bilinear", align_corners=True)

    def classify(self, pictures: Tensor) -> Tensor:
        """As ``forward``, to the likeliest class of every pixel: [B, H, W] uint8."""
        scores: Tensor = self(pictures)
        return scores.argmax(1).to(torch.uint8)


class ContextPath(nn.Module):
    """The trunk, and what it knows of the whole picture brought back to an eighth of the size."""

    def __init__(self, config: BiSeNetConfig) -> None:
        super().__init__()
        self.resnet = ResNet18(config.trunk)
        self.arm16 = AttentionRefinement(config.trunk[2], config.context)
        self.arm32 = AttentionRefinement(config.trunk[3], config.context)
        self.conv_head32 = ConvNormRelu(config.context, config.context, 3)
        self.conv_head16 = ConvNormRelu(config.context, config.context, 3)
        self.conv_avg = ConvNormRelu(config.trunk[3], config.context, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 3, H, W] to the trunk's [B, trunk[1], H/8, W/8] and the context [B, context, H/8, W/8]."""
        eighth, sixteenth, thirty_second = self.resnet(pictures)
        whole = self.conv_avg(thirty_second.mean((2, 3), keepdim=True))
        coarse = self.arm32(thirty_second) + whole
        coarse = self.conv_head32(functional.interpolate(coarse, sixteenth.shape[-2:], mode="nearest"))
        finer = self.arm16(sixteenth) + coarse
        return eighth, self.conv_head16(functional.interpolate(finer, eighth.shape[-2:], mode="nearest"))


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2015, arXiv 1512.03385) without its classifier."""

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.conv1 = nn.Conv2d(3, first, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.layer1 = _stage(first, first, stride=1)
        self.layer2 = _stage(first, second, stride=2)
        self.layer3 = _stage(second, third, stride=2)
        self.layer4 = _stage(third, fourth, stride=2)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 3, H, W] to the features of the last three stages, at 1/8, 1/16 and 1/32 of the size, rounded up."""
        features = functional.relu(self.bn1(self.conv1(pictures)))
        features = self.layer1(functional.max_pool2d(features, 3, stride=2, padding=1))
        eighth = self.layer2(features)
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


def _stage(channels: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(channels, out, stride), ResidualBlock(out, out, 1))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a residual: [B, channels, H, W] to [B, out, H / stride, W / stride]."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if channels != out or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.downsample(features) + self.bn2(self.conv2(inner)))


class ConvNormRelu(nn.Module):
    """A convolution that keeps the size, batch norm, ReLU: [B, channels, H, W] to [B, out, H, W]."""

    def __init__(self, channels: int, out: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(features)))


class AttentionRefinement(nn.Module):
    """Weighs the channels by their means over the picture: [B, channels, H, W] to [B, out, H, W]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = ConvNormRelu(channels, out, 3)
        self.conv_atten = nn.Conv2d(out, out, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(out)

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = self.conv(features)
        weights: Tensor = self.bn_atten(self.conv_atten(refined.mean((2, 3), keepdim=True)))
        return refined * weights.sigmoid()


class FeatureFusion(nn.Module):
    """Joins the fine features with the context: two tensors with ``channels`` together to [B, out, H, W]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.convblk = ConvNormRelu(channels, out, 1)
        self.conv1 = nn.Conv2d(out, out // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(out // 4, out, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        joined: Tensor = self.convblk(torch.cat((fine, context), dim=1))
        weights: Tensor = self.conv2(functional.relu(self.conv1(joined.mean((2, 3), keepdim=True))))
        return joined + joined * weights.sigmoid()


class ClassHead(nn.Module):
    """A score for each class: [B, channels, H, W] to [B, classes, H, W]."""

    def __init__(self, channels: int, inner: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvNormRelu(channels, inner, 3)
        self.conv_out = nn.Conv2d(inner, classes, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.conv_out(self.conv(features))
        return scores
