"""A prepared avatar's objects, damaged: some, so that their checksums tell; some, so that these tell nothing."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from engine.avatar.manifest import FRAMES, THUMBNAIL, TRACK
from tests.fuzz.media_mutation import flip_bits, overwrite, remove, repeat, splice, truncate
from tests.fuzz.oddities import NUMBERS, TEXTS

MANIFEST = "manifest.json"
PARTS = (FRAMES, TRACK, THUMBNAIL)

Objects = dict[str, bytes]
"""A bundle's objects by their names; one that is missing has been removed."""

BYTES = (flip_bits, overwrite, truncate, remove, repeat, splice)


def damaged(objects: Mapping[str, bytes], random: Random) -> Objects:
    """The objects with one thing wrong with them."""
    return random.choices(DAMAGES, WEIGHTS)[0](dict(objects), random)


def packed(objects: Mapping[str, bytes]) -> bytes:
    """The objects as one case: a ZIP file, the same bytes at every time of the day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in sorted(objects.items()):
            archive.writestr(zipfile.ZipInfo(name), body)
    return buffer.getvalue()


def unpacked(case: bytes) -> Objects:
    with zipfile.ZipFile(io.BytesIO(case)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def change_part(objects: Objects, random: Random) -> Objects:
    """Bytes of one part."""
    name = random.choice(PARTS)
    return objects | {name: _changed(objects[name], objects, random)}


def lose_part(objects: Objects, random: Random) -> Objects:
    """One object is gone, or another stands in its place."""
    name = random.choice((*PARTS, MANIFEST))
    if random.random() < 0.5:
        return objects | {name: objects[random.choice(PARTS)]}
    del objects[name]
    return objects


def change_manifest_bytes(objects: Objects, random: Random) -> Objects:
    return objects | {MANIFEST: _changed(objects[MANIFEST], objects, random)}


def change_manifest(objects: Objects, random: Random) -> Objects:
    """Another value in one or two of the manifest's fields, or none, or a field that it doesn't have."""
    manifest = json.loads(objects[MANIFEST])
    for _ in range(random.choice((1, 1, 2))):
        _change_field(manifest, random)
    return objects | {MANIFEST: json.dumps(manifest).encode("utf-8", "surrogatepass")}


def forge_part(objects: Objects, random: Random) -> Objects:
    """Bytes of one part, whose new size and checksum the manifest gives."""
    name = random.choice(PARTS)
    return _attested(objects | {name: _changed(objects[name], objects, random)}, name)


def forge_track(objects: Objects, random: Random) -> Objects:
    """Another value, type or shape in one of the track's arrays, attested by the manifest."""
    arrays = load(objects[TRACK])
    name = random.choice(sorted(arrays))
    changed = random.choice(ARRAYS)(arrays[name], random)
    if changed is None:
        del arrays[name]
    else:
        arrays[name] = np.ascontiguousarray(changed)
    return _attested(objects | {TRACK: save(arrays)}, TRACK)


DAMAGES: tuple[Callable[[Objects, Random], Objects], ...] = (
    change_part,
    lose_part,
    change_manifest_bytes,
    change_manifest,
    forge_part,
    forge_track,
)
WEIGHTS = (4, 1, 3, 5, 3, 5)

Array = np.ndarray[Any, np.dtype[Any]]


def _other_values(array: Array, random: Random) -> Array:
    changed = array.copy()
    flat = changed.reshape(-1)
    for _ in range(random.choice((1, 1, 4))):
        if flat.size:
            least, most = _range(changed.dtype)
            old = flat[random.randrange(flat.size)].item()
            near = (old + 1, old - 1, old + 2, old - 2)
            flat[random.randrange(flat.size)] = min(max(random.choice((0, -1, least, most, *near)), least), most)
    return changed


def _range(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype.kind == "f":
        return float("-inf"), float("inf")
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _other_type(array: Array, random: Random) -> Array:
    return array.astype(random.choice(("int8", "uint16", "int64", "float16", "float64")))


def _other_rows(array: Array, random: Random) -> Array:
    return random.choice((array[:-1], array[:0], np.concatenate([array, array]), array[::-1]))


def _other_shape(array: Array, random: Random) -> Array:
    return random.choice((array.reshape(-1), array[None], array[..., None]))


def _missing(array: Array, random: Random) -> None:
    return None


ARRAYS: tuple[Callable[[Array, Random], Array | None], ...] = (
    _other_values,
    _other_values,
    _other_type,
    _other_rows,
    _other_shape,
    _missing,
)


def _changed(body: bytes, objects: Objects, random: Random) -> bytes:
    return random.choice(BYTES)(body, objects[random.choice(PARTS)], random)


def _attested(objects: Objects, name: str) -> Objects:
    manifest = json.loads(objects[MANIFEST])
    body = objects[name]
    manifest["parts"][name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return objects | {MANIFEST: json.dumps(manifest).encode()}


def _change_field(manifest: dict[str, Any], random: Random) -> None:
    place = manifest
    while isinstance(inner := place[random.choice(sorted(place))], dict) and inner:
        place = inner
    name = random.choice(sorted(place))
    if random.random() < 0.1:
        del place[name]
    elif random.random() < 0.1:
        place[random.choice(TEXTS)] = 0
    else:
        place[name] = _other_field(place[name], random)


def _other_field(value: object, random: Random) -> object:
    if isinstance(value, int | float) and random.random() < 0.6:
        return random.choice((value + 1, value - 1, value + 2, value * 2, -value, value / 2))
    if isinstance(value, str) and value and random.random() < 0.4:
        at = random.randrange(len(value))
        return value[:at] + random.choice("0f9z/. ") + value[at + 1 :]
    return copy.deepcopy(random.choice((None, [], {}, [value], *NUMBERS, *TEXTS)))
