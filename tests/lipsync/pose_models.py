"""Small ONNX models with DWPose's inputs and outputs, whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

KEYPOINTS = 133
WIDTH, HEIGHT = 288, 384
Dimension = int | str


def table_model(
    path: Path, across: NDArray[np.float32], down: NDArray[np.float32], batch: Dimension = 1, height: int = HEIGHT
) -> Path:
    """Answers every picture with ``across`` (133, 576) and ``down`` (133, 768)."""
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["brightest"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Squeeze", ["brightest", "channel"], ["picture"]),
        helper.make_node("Mul", ["picture", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "across"], ["simcc_x"]),
        helper.make_node("Add", ["nothing", "down"], ["simcc_y"]),
    ]
    constants: dict[str, NDArray[np.generic]] = {
        "channel": np.array([1], np.int64),
        "zero": np.zeros(1, np.float32),
        "across": across[None],
        "down": down[None],
    }
    return _save(path, nodes, constants, batch, height)


def brightest_model(path: Path, channels: NDArray[np.int64], batch: Dimension = 1) -> Path:
    """Says for keypoint k how bright each column and row is in channel ``channels[k]``, two equal bins a pixel."""
    nodes = []
    for axis, name in ((2, "simcc_x"), (3, "simcc_y")):
        nodes += [
            helper.make_node("ReduceMax", ["input"], [f"{name}_profile"], axes=[axis], keepdims=0),
            helper.make_node("Gather", [f"{name}_profile", "channels"], [f"{name}_points"], axis=1),
            helper.make_node("Gather", [f"{name}_points", f"{name}_twice"], [name], axis=2),
        ]
    constants = {
        "channels": channels,
        "simcc_x_twice": np.arange(WIDTH).repeat(2),
        "simcc_y_twice": np.arange(HEIGHT).repeat(2),
    }
    return _save(path, nodes, constants, batch, HEIGHT)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, NDArray[np.generic]],
    batch: Dimension,
    height: int,
) -> Path:
    def value(name: str, shape: list[Dimension]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "pose",
        [value("input", [batch, 3, height, WIDTH])],
        [value("simcc_x", [batch, KEYPOINTS, 2 * WIDTH]), value("simcc_y", [batch, KEYPOINTS, 2 * HEIGHT])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
