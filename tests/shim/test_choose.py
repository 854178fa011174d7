"""Which settings choose which backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError
from shim.choose import open_service
from shim.in_process import InProcess
from shim.runpod_backend import RunPodBackend
from shim.settings import ShimSettings
from tests.servers.endpoint import S3Endpoint
from tests.worker.workers_bucket import WorkersBucket

BOTH = {"runpod_endpoint_id": "ep1", "runpod_api_key": "a-key"}


def settings(folder: Path, avatar: Path, **fields: Any) -> ShimSettings:
    own = {"store_dir": folder / "store", "cache_dir": folder / "cache", "network_volume": folder}
    return ShimSettings.model_validate({**own, "default_avatar": avatar, **fields})


@pytest.mark.parametrize("fields", [{}, {"runpod_api_key": "a-key"}])
def test_without_an_endpoint_the_engine_is_in_this_process(
    tmp_path: Path, tiny_avatar: Path, fields: dict[str, str]
) -> None:
    with open_service(settings(tmp_path, tiny_avatar, **fields), {}) as service:
        assert isinstance(service.backend, InProcess)


def test_an_endpoint_with_its_key_and_bucket_makes_the_videos(
    tmp_path: Path, tiny_avatar: Path, moto: S3Endpoint
) -> None:
    bucket = WorkersBucket.on(moto)
    with open_service(settings(tmp_path, tiny_avatar, **BOTH), bucket.environment()) as service:
        assert isinstance(service.backend, RunPodBackend)


@pytest.mark.parametrize(("fields", "wanted"), [({"runpod_endpoint_id": "ep1"}, "RUNPOD_API_KEY"), (BOTH, "BUCKET_")])
def test_an_endpoint_without_its_key_or_bucket_is_told(
    tmp_path: Path, tiny_avatar: Path, fields: dict[str, str], wanted: str
) -> None:
    with (
        pytest.raises(ConfigurationError, match=wanted),
        open_service(settings(tmp_path, tiny_avatar, **fields), {}),
    ):
        pass
