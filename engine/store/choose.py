"""The one place that chooses the object store."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import ConfigurationError
from engine.settings import Settings
from engine.store.bucket_settings import read_bucket_settings
from engine.store.local import LocalStore
from engine.store.protocol import ObjectStore


def choose_store(settings: Settings, environment: Mapping[str, str]) -> ObjectStore:
    """The bucket that the BUCKET_ variables of ``environment`` name, or, where there are none, a local folder.

    Raises ConfigurationError when the bucket is configured in part, can't be used, or doesn't keep to conditional
    writes, and when the local folder is to lie on a network volume that isn't there.
    """
    bucket = read_bucket_settings(environment)
    if bucket is None:
        return _local(settings)
    from engine.store.s3 import S3Store

    store = S3Store(bucket)
    store.prove_conditions()
    return store


def _local(settings: Settings) -> LocalStore:
    if is_on_volume(settings) and not settings.network_volume.is_dir():
        raise ConfigurationError(
            "STORE_DIR lies on the network volume, and none is attached. Attach one, or set the BUCKET_ variables."
        )
    return LocalStore(settings.store_dir)


def is_on_volume(settings: Settings) -> bool:
    """Whether the local store's folder is meant to lie on a network volume, where it outlives the worker."""
    return settings.store_dir.absolute().is_relative_to(settings.network_volume.absolute())
