from __future__ import annotations

import pytest

from tests.streams.film import Film, film


@pytest.fixture(scope="session")
def six_seconds(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Less two frames, so that the last segment and the last fragment are short."""
    return film(tmp_path_factory.mktemp("film") / "video.mp4", 148)
