"""What nothing is wrong with is taken: a door that refuses everything would prove nothing."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.bundle_mutation import packed
from tests.fuzz.bundles import DOOR as BUNDLES
from tests.fuzz.bundles import BundleDoor
from tests.fuzz.weights import DOOR as WEIGHTS
from tests.fuzz.weights import WeightsDoor


def test_a_bundle_as_it_was_made_is_opened(tmp_path: Path) -> None:
    with BUNDLES.open(tmp_path) as ground:
        assert isinstance(ground, BundleDoor)
        assert ground.run(packed(ground.objects)) is None


def test_weights_as_they_were_packed_are_loaded(tmp_path: Path) -> None:
    with WEIGHTS.open(tmp_path) as ground:
        assert isinstance(ground, WeightsDoor)
        assert ground.run(ground.good) is None
