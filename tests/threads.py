"""How many threads networks calculate with in tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One for tiny networks, here and in processes that a test starts: on a busy machine several wait for each other
    far longer than they calculate."""
    if request.node.get_closest_marker("full"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)
