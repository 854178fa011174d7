"""A network of DWPose's layout and size with seeded weights, as ONNX: RTMPose-l for 288 x 384 pixels.

Random weights find nothing: what the network says is made small, and a table is added to it that says the same of
every picture. Batch normalisations are folded into the convolutions before them, as in the official export.
Sources: CSPNeXt (Lyu et al. 2022, arXiv 2212.07784), RTMPose (Jiang et al. 2023, arXiv 2303.07399).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from engine.lipsync.face_box import Points
from engine.lipsync.landmarks import BINS, FACE, HEIGHT, KEYPOINTS, WIDTH, View

Weights = NDArray[np.float32]
NOISE = np.float32(1e-3)
"""How much of the random answers is left: the table's are 1."""


@dataclass(frozen=True)
class PoseSize:
    """stem: channels after it. stages: each one's channels and blocks. attention: widths of the head's layers."""

    stem: int = 64
    stages: tuple[tuple[int, int], ...] = ((128, 3), (256, 6), (512, 6), (1024, 3))
    width: int = 256
    hidden: int = 512
    shared: int = 128


FULL = PoseSize()
QUICK = PoseSize(8, ((8, 1), (8, 1), (16, 1), (16, 1)), 16, 16, 8)


@dataclass(frozen=True)
class Answers:
    """What the network says of every picture: across (133, 576) and down (133, 768) float32."""

    across: Weights
    down: Weights

    @classmethod
    def of(cls, points: Points, width: int, height: int) -> Answers:
        """A face at ``points``, (68, 2), in frames of that size, and in their mirror images."""
        view = View.of(width, height)
        bins = (points - view.centre + view.size / 2) / view.size * (BINS * WIDTH, BINS * HEIGHT)
        across = np.zeros((KEYPOINTS, BINS * WIDTH), np.float32)
        down = np.zeros((KEYPOINTS, BINS * HEIGHT), np.float32)
        for keypoint, (column, row) in zip(range(FACE.start, FACE.stop), bins.round().astype(int), strict=True):
            across[keypoint, [column, BINS * WIDTH - 1 - column]] = 1
            down[keypoint, row] = 1
        return cls(across, down)


def write_pose(path: Path, size: PoseSize, answers: Answers, seed: int, batch: int | str = "batch") -> None:
    """``batch``: how many pictures it takes at once; a name leaves that open, as the official file does."""
    graph = _Graph(np.random.default_rng(seed))
    features = _trunk(graph, "input", size)
    tokens = _head(graph, features, size)
    for name, table in (("simcc_x", answers.across), ("simcc_y", answers.down)):
        said = graph.node("Mul", [graph.linear(tokens, size.width, table.shape[1]), graph.constant(NOISE)])
        graph.node("Add", [said, graph.constant(table[None])], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph.model(batch), path)


@dataclass
class _Graph:
    """Nodes and weights as they are added; every method gives the name of its output."""

    chance: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: NDArray[Any] | np.float32) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(self, *shape: int) -> str:
        """Normal, scaled so that sums over all but the first axis keep their size."""
        reach = np.float32(np.prod(shape[1:]) ** -0.5)
        return self.constant(reach * self.chance.standard_normal(shape, np.float32))

    def convolution(self, source: str, shape: tuple[int, int, int], stride: int = 1, groups: int = 1) -> str:
        """``shape``: channels in and out, and the kernel's side; padded to keep the picture's size."""
        inward, outward, side = shape
        weights = [self.random(outward, inward // groups, side, side), self.random(outward)]
        pads, strides = [side // 2] * 4, [stride] * 2
        return self.node("Conv", [source, *weights], pads=pads, strides=strides, group=groups)

    def silu(self, source: str) -> str:
        return self.node("Mul", [source, self.node("Sigmoid", [source])])

    def layer(self, source: str, shape: tuple[int, int, int], stride: int = 1, groups: int = 1) -> str:
        return self.silu(self.convolution(source, shape, stride, groups))

    def linear(self, source: str, inward: int, outward: int) -> str:
        weights = self.chance.standard_normal((inward, outward), np.float32) * np.float32(inward**-0.5)
        return self.node("MatMul", [source, self.constant(weights)])

    def scale_norm(self, source: str, width: int) -> str:
        """Each token over its root mean square."""
        norm = self.node("ReduceL2", [source, self.constant(np.array([-1]))], keepdims=1)
        scaled = self.node("Mul", [norm, self.constant(np.float32(width**-0.5))])
        return self.node("Div", [source, self.node("Max", [scaled, self.constant(np.float32(1e-5))])])

    def split(self, source: str, sizes: Sequence[int]) -> list[str]:
        names = [f"part_{len(self.nodes)}_{index}" for index in range(len(sizes))]
        lengths = self.constant(np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [source, lengths], names, axis=-1))
        return names

    def model(self, batch: int | str) -> onnx.ModelProto:
        def value(name: str, *shape: int) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])

        outputs = [value("simcc_x", KEYPOINTS, BINS * WIDTH), value("simcc_y", KEYPOINTS, BINS * HEIGHT)]
        graph = helper.make_graph(self.nodes, "pose", [value("input", 3, HEIGHT, WIDTH)], outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _trunk(graph: _Graph, picture: str, size: PoseSize) -> str:
    """CSPNeXt: a picture to features of a 32nd of its size."""
    half = size.stem // 2
    x = graph.layer(graph.layer(picture, (3, half, 3), stride=2), (half, half, 3))
    x, channels = graph.layer(x, (half, size.stem, 3)), size.stem
    for outward, blocks in size.stages:
        last = outward == size.stages[-1][0] and blocks == size.stages[-1][1]
        x, channels = graph.layer(x, (channels, outward, 3), stride=2), outward
        if last:
            x = _pooled(graph, x, channels)
        x = _cross_stage(graph, x, channels, blocks, joined=not last)
    return x


def _pooled(graph: _Graph, x: str, channels: int) -> str:
    """Spatial pyramid pooling."""
    x = graph.layer(x, (channels, channels // 2, 1))
    pools = [
        graph.node("MaxPool", [x], kernel_shape=[side] * 2, pads=[side // 2] * 4, strides=[1, 1]) for side in (5, 9, 13)
    ]
    return graph.layer(graph.node("Concat", [x, *pools], axis=1), (2 * channels, channels, 1))


def _cross_stage(graph: _Graph, x: str, channels: int, blocks: int, joined: bool) -> str:
    """Half of the channels through the blocks, half past them, then attention over all of them."""
    half = channels // 2
    main, short = graph.layer(x, (channels, half, 1)), graph.layer(x, (channels, half, 1))
    for _ in range(blocks):
        deep = graph.layer(graph.layer(main, (half, half, 3)), (half, half, 5), groups=half)
        deep = graph.layer(deep, (half, half, 1))
        main = graph.node("Add", [deep, main]) if joined else deep
    both = graph.node("Concat", [main, short], axis=1)
    squeezed = graph.convolution(graph.node("GlobalAveragePool", [both]), (channels, channels, 1))
    weighed = graph.node("Mul", [both, graph.node("HardSigmoid", [squeezed], alpha=1 / 6)])
    return graph.layer(weighed, (channels, channels, 1))


def _head(graph: _Graph, features: str, size: PoseSize) -> str:
    """RTMCC: a token for each point, by what a gated attention unit makes of them together."""
    places = (HEIGHT // 32) * (WIDTH // 32)
    maps = graph.convolution(features, (size.stages[-1][0], KEYPOINTS, 7))
    flat = graph.node("Reshape", [maps, graph.constant(np.array([0, KEYPOINTS, places]))])
    tokens = graph.linear(graph.scale_norm(flat, places), places, size.width)
    mixed = graph.linear(graph.scale_norm(tokens, size.width), size.width, 2 * size.hidden + size.shared)
    gate, value, base = graph.split(graph.silu(mixed), (size.hidden, size.hidden, size.shared))
    query, key = (graph.node("Mul", [base, graph.random(1, size.shared)]) for _ in range(2))
    turned = graph.node("Transpose", [key], perm=[0, 2, 1])
    likeness = graph.node("MatMul", [query, turned])
    scaled = graph.node("Mul", [likeness, graph.constant(np.float32(size.shared**-0.5))])
    kernel = graph.node("Relu", [scaled])
    attended = graph.node("MatMul", [graph.node("Mul", [kernel, kernel]), value])
    gated = graph.linear(graph.node("Mul", [gate, attended]), size.hidden, size.width)
    return graph.node("Add", [tokens, gated])
