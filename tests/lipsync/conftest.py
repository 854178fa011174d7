from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread for tiny networks: on a busy machine they wait for each other far longer than they calculate."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if request.node.get_closest_marker("full") else 1)
    yield
    torch.set_num_threads(before)
