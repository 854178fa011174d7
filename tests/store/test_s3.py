"""The object store in a bucket, on a server that is quick and right about conditions."""

from __future__ import annotations

from functools import partial

import pytest

from engine.store.s3 import S3Store
from tests.servers.endpoint import S3Endpoint
from tests.store.contract import StoreContract
from tests.store.racers import OpenStore


@pytest.fixture
def open_store(moto: S3Endpoint) -> OpenStore:
    return partial(S3Store, moto.settings())


class TestContract(StoreContract):
    """A bucket is an object store."""
