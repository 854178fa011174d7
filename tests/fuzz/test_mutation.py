"""Mutations really change what they are given, and are the same for the same chance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from safetensors.numpy import save

from engine.avatar.manifest import FRAMES, THUMBNAIL, TRACK
from tests.fuzz.bundle_mutation import DAMAGES, MANIFEST, Objects, damaged, forge_part, packed, unpacked
from tests.fuzz.media_mutation import LARGEST_BYTES, MUTATIONS, Mutation, mutated
from tests.fuzz.weights import MUTATIONS as WEIGHTS_MUTATIONS

WAV = b"RIFF\x64\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x40\0\0\0" + bytes(
    range(64)
)
BOXES = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x18moov\0\0\0\x10mvhd" + bytes(range(8)) + b"\0\0\0\x10mdat12345678"


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutation_changes_the_file_and_follows_from_its_chance(mutate: Mutation) -> None:
    made = [mutate(BOXES, WAV, Random(seed)) for seed in range(40)]
    assert made == [mutate(BOXES, WAV, Random(seed)) for seed in range(40)]
    assert sum(each != BOXES for each in made) > 30
    assert len(set(made)) > 1


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_nothing_at_all_can_be_mutated_too(mutate: Mutation) -> None:
    for seed in range(20):
        mutate(b"", b"", Random(seed))
        mutate(b"", WAV, Random(seed))


def test_a_changed_field_leaves_everything_else() -> None:
    change_fields = MUTATIONS[0]
    for seed in range(100):
        made = change_fields(BOXES, WAV, Random(seed))
        assert len(made) == len(BOXES)
        assert made[-8:] == b"12345678"


def test_files_keep_within_their_bounds_and_cases_differ() -> None:
    made = [mutated((WAV, BOXES, bytes(LARGEST_BYTES)), Random(seed)) for seed in range(200)]
    assert max(map(len, made)) <= LARGEST_BYTES
    assert len(set(made)) > 150


def bundle() -> Objects:
    parts = {
        FRAMES: bytes(range(200)),
        TRACK: save({"boxes": np.arange(16, dtype=np.int32).reshape(4, 4), "tone": np.ones(4, np.float32)}),
        THUMBNAIL: b"a picture",
    }
    told = {name: {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in parts.items()}
    manifest = {"width": 64, "seconds": 0.5, "key": "a" * 64, "face": {"share": 1.0}, "parts": told}
    return parts | {MANIFEST: json.dumps(manifest).encode()}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_changes_the_bundle_and_follows_from_its_chance(damage: Callable[[Objects, Random], Objects]) -> None:
    made = [damage(bundle(), Random(seed)) for seed in range(40)]
    assert made == [damage(bundle(), Random(seed)) for seed in range(40)]
    assert sum(each != bundle() for each in made) > 30


def test_a_forged_part_is_what_the_manifest_says() -> None:
    for seed in range(20):
        objects = forge_part(bundle(), Random(seed))
        told = json.loads(objects[MANIFEST])["parts"]
        for name in (FRAMES, TRACK, THUMBNAIL):
            assert told[name]["sha256"] == hashlib.sha256(objects[name]).hexdigest()


def test_a_bundle_comes_out_of_its_case_as_it_went_in() -> None:
    for seed in range(20):
        objects = damaged(bundle(), Random(seed))
        assert packed(objects) == packed(dict(reversed(objects.items())))
        assert unpacked(packed(objects)) == objects


def test_weights_are_mutated_by_the_same_means() -> None:
    assert set(WEIGHTS_MUTATIONS) < set(MUTATIONS)
