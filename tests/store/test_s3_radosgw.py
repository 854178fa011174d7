"""The object store in a bucket of a real server, which looks at signatures, their age and every byte they cover."""

from __future__ import annotations

from functools import partial

import pytest

from engine.store.s3 import S3Store
from tests.servers.endpoint import S3Endpoint
from tests.store.contract import StoreContract
from tests.store.racers import OpenStore


@pytest.fixture
def open_store(radosgw: S3Endpoint) -> OpenStore:
    return partial(S3Store, radosgw.settings())


class TestContract(StoreContract):
    """A bucket of a real server is an object store."""
