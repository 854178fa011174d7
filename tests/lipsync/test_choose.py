"""Which renderer is chosen, what it is put together from, and what is said where that can't be."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.network_sizes import QUICK
from engine.errors import ConfigurationError, WeightsDamaged, WeightsMissing
from engine.lipsync.choose import Renderer, choose_renderer
from engine.lipsync.gpu import has_gpu
from engine.lipsync.musetalk_load import load_musetalk
from engine.lipsync.musetalk_models import DWPOSE, FETCHED
from engine.lipsync.speech_shape import PreviewListener
from engine.nets.weight_files import PACKED_FOLDER, Packed
from engine.settings import Settings
from tests.lipsync.pose_models import KEYPOINTS, table_model
from tests.lipsync.tiny_musetalk import write_tiny

COMMAND = r"python -m builder\.fetch_models"

CHOOSING = """
import sys
sys.modules.update({{name: None for name in {absent}}})
from engine.errors import ConfigurationError
from engine.lipsync.choose import choose_renderer
from engine.settings import Settings
try:
    print(choose_renderer(Settings(renderer="{renderer}", weights_dir="nowhere"), lambda: False).name)
except ConfigurationError as error:
    print(error.message)
print(sorted({{"torch", "onnxruntime"}} & set(sys.modules)))
"""


def chosen(renderer: str, absent: tuple[str, ...] = ()) -> str:
    """What a fresh process says, in which some modules are not installed."""
    program = CHOOSING.format(renderer=renderer, absent=absent)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def pose_model(path: Path, column: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    across, down = np.zeros((KEYPOINTS, 576), np.float32), np.zeros((KEYPOINTS, 768), np.float32)
    across[:, column] = down[:, column] = 1
    return table_model(path, across, down)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder as it is after fetching and packing, of tiny networks."""
    write_tiny(tmp_path)
    pose_model(tmp_path / DWPOSE)
    return tmp_path


def loaded(weights: Path, gpu: bool = False, **settings: Any) -> Renderer:
    fields = {"renderer": "musetalk", "weights_dir": weights, **settings}
    return load_musetalk(Settings.model_validate(fields), gpu, QUICK)


class TestPreview:
    def test_it_is_chosen_where_there_are_neither_weights_nor_a_gpu(self, tmp_path: Path) -> None:
        renderer = choose_renderer(Settings(renderer="auto", weights_dir=tmp_path), lambda: False)
        assert renderer.name == renderer.preparer.name == renderer.lipsync.name == "preview"
        assert renderer.revision == renderer.preparer.revision
        assert renderer.device == "cpu"

    def test_it_is_had_for_the_asking_whatever_is_there(self, tmp_path: Path) -> None:
        pose_model(tmp_path / PACKED_FOLDER / Packed.UNET)
        assert choose_renderer(Settings(renderer="preview", weights_dir=tmp_path), lambda: True).name == "preview"

    def test_each_job_listens_for_itself(self) -> None:
        lipsync = choose_renderer(Settings(renderer="preview")).lipsync
        assert isinstance(lipsync.listen(live=False), PreviewListener)
        assert lipsync.listen(live=False) is not lipsync.listen(live=False)

    @pytest.mark.parametrize("renderer", ["auto", "preview"])
    def test_it_needs_neither_torch_nor_onnxruntime(self, renderer: str) -> None:
        assert chosen(renderer) == "preview\n[]\n"


class TestMuseTalk:
    def test_without_weights_a_gpu_is_an_error_that_names_the_command(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsMissing, match=f"{COMMAND} --dir"):
            choose_renderer(Settings(renderer="auto", weights_dir=tmp_path), lambda: True)

    def test_asked_for_without_weights_it_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsMissing, match=COMMAND):
            choose_renderer(Settings(renderer="musetalk", weights_dir=tmp_path), lambda: False)

    def test_weights_that_are_not_all_there_are_an_error_not_a_preview(self, tmp_path: Path) -> None:
        (tmp_path / PACKED_FOLDER).mkdir()
        (tmp_path / PACKED_FOLDER / Packed.BISENET).touch()
        with pytest.raises(WeightsMissing, match=COMMAND):
            choose_renderer(Settings(renderer="auto", weights_dir=tmp_path), lambda: False)

    @pytest.mark.parametrize("absent", ["torch", "onnxruntime"])
    def test_without_its_libraries_it_says_how_to_get_them(self, absent: str) -> None:
        said = chosen("musetalk", (absent,))
        assert f"needs {absent}" in said
        assert "builder/requirements.txt" in said

    @pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU here")
    def test_a_gpu_that_torch_cannot_use_is_an_error(self, weights: Path) -> None:
        with pytest.raises(ConfigurationError, match="driver"):
            loaded(weights, gpu=True)

    def test_it_is_put_together_from_its_weights(self, weights: Path) -> None:
        renderer = loaded(weights)
        assert renderer.name == renderer.preparer.name == renderer.lipsync.name == "musetalk"
        assert renderer.device == "cpu"
        assert renderer.revision == renderer.preparer.revision
        renderer.lipsync.warm()

    @pytest.mark.parametrize(("asked", "speaks"), [(True, 0.0), (False, 1.0)])
    def test_whether_the_mouth_rests_is_a_setting(self, weights: Path, asked: bool, speaks: float) -> None:
        listener = loaded(weights, rest_in_silence=asked).lipsync.listen(live=False)
        listener.push(np.zeros(16_000, np.float32))
        assert {frame.speaks for frame in listener.finish()} == {speaks}


class TestRevision:
    def test_it_stays_where_the_same_frames_give_the_same_track(self, weights: Path) -> None:
        assert loaded(weights).revision == loaded(weights, rest_in_silence=False).revision

    @pytest.mark.parametrize("setting", [{"smooth_boxes": False}, {"least_face_score": 0.4}])
    def test_settings_of_the_preparation_change_it(self, weights: Path, setting: dict[str, Any]) -> None:
        assert loaded(weights).revision != loaded(weights, **setting).revision

    def test_other_networks_change_it(self, weights: Path) -> None:
        before = loaded(weights).revision
        write_tiny(weights, seed=2)
        assert loaded(weights).revision != before

    def test_another_landmark_model_changes_it(self, weights: Path) -> None:
        before = loaded(weights).revision
        pose_model(weights / DWPOSE, column=9)
        assert loaded(weights).revision != before


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[-10] ^= 1
    path.write_bytes(body)


def replaced(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1")


class TestDamage:
    @pytest.mark.parametrize("harm", [truncated, flipped, replaced])
    @pytest.mark.parametrize("packed", [Packed.UNET, Packed.VAE_ENCODER])
    def test_damaged_networks_are_named(self, weights: Path, packed: Packed, harm: Callable[[Path], None]) -> None:
        harm(weights / PACKED_FOLDER / packed)
        with pytest.raises(WeightsDamaged, match=rf"{packed}.*{COMMAND} --verify"):
            loaded(weights)

    @pytest.mark.parametrize("harm", [truncated, flipped, replaced])
    def test_a_landmark_model_that_is_not_what_was_fetched_is_named(
        self, weights: Path, harm: Callable[[Path], None]
    ) -> None:
        model = weights / DWPOSE
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        (weights / FETCHED).write_text(json.dumps({"files": {DWPOSE: {"bytes": 1, "mtime": 1, "sha256": digest}}}))
        loaded(weights)
        harm(model)
        with pytest.raises(WeightsDamaged, match=rf"{model.name}.*{COMMAND} --verify"):
            loaded(weights)

    def test_a_missing_landmark_model_is_named(self, weights: Path) -> None:
        (weights / DWPOSE).unlink()
        with pytest.raises(WeightsMissing, match=rf"dw-ll_ucoco_384\.onnx.*{COMMAND}"):
            loaded(weights)


class TestGpu:
    @pytest.mark.parametrize("name", ["nvidia0", "nvidia12", "dxg"])
    def test_its_device_tells(self, tmp_path: Path, name: str) -> None:
        assert not has_gpu(tmp_path, {})
        (tmp_path / name).touch()
        assert has_gpu(tmp_path, {})
        assert has_gpu(tmp_path, {"CUDA_VISIBLE_DEVICES": "0"})

    @pytest.mark.parametrize("hidden", ["", "-1"])
    def test_it_may_be_hidden(self, tmp_path: Path, hidden: str) -> None:
        (tmp_path / "nvidia0").touch()
        assert not has_gpu(tmp_path, {"CUDA_VISIBLE_DEVICES": hidden})

    def test_a_driver_alone_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "nvidiactl").touch()
        assert not has_gpu(tmp_path, {})
