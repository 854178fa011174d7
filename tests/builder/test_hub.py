"""`.runpod/hub.json` and `.runpod/tests.json`: of the form that RunPod's Hub takes, and right about this worker."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from builder.deployment import POOLS, TORCH_CUDA
from builder.environment_file import KNOWN, SECRETS
from engine.settings import Settings
from engine.store.bucket_settings import read_bucket_settings
from tests.builder.dockerfile import ROOT
from tests.worker.clips import talking_head
from tests.worker.worker_process import HANDLER, Ground

HUB = ROOT / ".runpod" / "hub.json"
TESTS = ROOT / ".runpod" / "tests.json"

Text = Annotated[str, Field(min_length=1, max_length=190)]
"""The Hub's columns hold no more than 190 characters."""
Cuda = Annotated[str, Field(pattern=r"^\d+\.\d+$")]


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Input(Exact):
    name: Text
    type: Literal["string", "number", "boolean", "huggingface"]
    description: Text
    default: str | int | bool
    options: list[dict[str, str]] | None = None
    min: int | None = None
    max: int | None = None
    advanced: bool = False
    required: bool = False
    trueValue: str | None = None
    falseValue: str | None = None


class HubVariable(Exact):
    key: Text
    value: str | None = None
    input: Input | None = None

    @property
    def given(self) -> str:
        """What the worker gets where nobody changes it."""
        if self.input is None:
            return self.value or ""
        default = self.input.default
        if isinstance(default, bool):
            return str(self.input.trueValue if default else self.input.falseValue)
        return str(default)


class Preset(Exact):
    name: Text
    defaults: dict[str, str | int | bool]


class HubConfig(Exact):
    runsOn: Literal["GPU", "CPU"]
    containerDiskInGb: int
    gpuCount: int
    gpuIds: Text
    allowedCudaVersions: list[Cuda]
    env: list[HubVariable]
    presets: list[Preset]


class Hub(Exact):
    title: Text
    description: Text
    type: Literal["serverless"]
    category: Literal["audio", "embedding", "language", "video", "image"]
    iconUrl: str | None = None
    config: HubConfig


class HubTest(Exact):
    name: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    input: dict[str, Any]
    timeout: Annotated[int, Field(ge=1000)]


class ConfigOfTests(Exact):
    gpuTypeId: Text
    gpuCount: int
    env: list[HubVariable]
    allowedCudaVersions: list[Cuda]


class HubTests(Exact):
    tests: list[HubTest]
    config: ConfigOfTests


@pytest.fixture(scope="module")
def hub() -> Hub:
    return Hub.model_validate_json(HUB.read_text())


@pytest.fixture(scope="module")
def hub_tests() -> HubTests:
    return HubTests.model_validate_json(TESTS.read_text())


def test_the_hub_finds_what_it_needs() -> None:
    assert all((ROOT / name).is_file() for name in ("handler.py", "Dockerfile", "README.md"))


def test_it_runs_where_the_worker_does(hub: Hub, hub_tests: HubTests) -> None:
    assert hub.config.gpuIds.split(",") == list(POOLS)
    assert hub.config.allowedCudaVersions == hub_tests.config.allowedCudaVersions == [TORCH_CUDA[1]]


def test_every_variable_is_a_setting(hub: Hub, hub_tests: HubTests) -> None:
    asked = [variable.key for variable in (*hub.config.env, *hub_tests.config.env)]
    assert set(asked) <= KNOWN
    assert {key for preset in hub.config.presets for key in preset.defaults} <= set(asked)
    assert all(variable.given == "" for variable in hub.config.env if variable.key in SECRETS)


@pytest.mark.parametrize("inline", ["0", "1"])
def test_the_worker_takes_the_values_as_they_are_given(hub: Hub, inline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {variable.key: variable.given for variable in hub.config.env} | {"INLINE_RESULTS": inline}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.inline_results is (inline == "1")
    assert settings.elevenlabs_api_key is None
    assert read_bucket_settings(given) is None


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("hub")
    return Ground(folder, talking_head(folder / "tiny.mp4")).make()


def test_its_tests_drive_sound_and_need_no_key(hub_tests: HubTests) -> None:
    assert {test.input["action"] for test in hub_tests.tests} == {"status", "create_session", "generate"}
    assert not [test.name for test in hub_tests.tests if "text" in test.input or "audio_url" in test.input]
    assert any("audio_base64" in test.input for test in hub_tests.tests)


@pytest.mark.parametrize("number", range(4))
def test_its_tests_pass(hub_tests: HubTests, ground: Ground, number: int) -> None:
    """With the preview, as there is no GPU here: what is asked, and what comes back, is the same."""
    test = hub_tests.tests[number]
    asked = json.dumps({"input": test.input})
    variables = {variable.key: variable.given for variable in hub_tests.config.env}
    finished = subprocess.run(
        [sys.executable, str(HANDLER), "--test_input", asked],
        cwd=ground.folder,
        env={**ground.environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert ("video_base64" in finished.stdout) is (test.input["action"] == "generate")
