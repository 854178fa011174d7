"""Media files changed as damage and malice change them: in their bytes, their structure, or with parts of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz.formats import ogg
from tests.fuzz.formats.field import Field, Kind
from tests.fuzz.formats.find import fields_of

Mutation = Callable[[bytes, bytes, Random], bytes]
"""Changes a file, perhaps with parts of another."""

MOST_FIELDS = 3
LONGEST_STRETCH = 256
LARGEST_BYTES = 400_000
"""A file that grows beyond this is cut."""


def mutated(files: Sequence[bytes], random: Random) -> bytes:
    """One of the files, changed once or twice, its checksums mostly made right again."""
    data = random.choice(files)
    for _ in range(random.choice((1, 1, 1, 2))):
        data = random.choices(MUTATIONS, WEIGHTS)[0](data, random.choice(files), random)
    if data.startswith(ogg.MAGIC) and random.random() < 0.8:
        data = ogg.sealed(data)
    return data[:LARGEST_BYTES]


def flip_bits(data: bytes, other: bytes, random: Random) -> bytes:
    """Some single bits, more often at the file's beginning, where its headers are."""
    made = bytearray(data)
    for _ in range(random.choice((1, 2, 8, 40))):
        if made:
            reach = random.choice((64, 1024, len(made)))
            made[random.randrange(min(reach, len(made)))] ^= 1 << random.randrange(8)
    return bytes(made)


def overwrite(data: bytes, other: bytes, random: Random) -> bytes:
    """A stretch of chance, zeros or ones in the place of another."""
    start, end = _stretch(data, random)
    filling = random.choice((bytes(end - start), b"\xff" * (end - start), random.randbytes(end - start)))
    return data[:start] + filling + data[end:]


def truncate(data: bytes, other: bytes, random: Random) -> bytes:
    """Only the beginning: a few bytes, or all but a few, or anything between."""
    return data[: random.choice((random.randrange(64), -random.randrange(1, 64), random.randrange(len(data) + 1)))]


def remove(data: bytes, other: bytes, random: Random) -> bytes:
    start, end = _stretch(data, random)
    return data[:start] + data[end:]


def repeat(data: bytes, other: bytes, random: Random) -> bytes:
    """A stretch twice, or many times."""
    start, end = _stretch(data, random)
    return data[:end] + data[start:end] * random.choice((1, 1, 50)) + data[end:]


def splice(data: bytes, other: bytes, random: Random) -> bytes:
    """The beginning of one and the end of the other."""
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def change_fields(data: bytes, other: bytes, random: Random) -> bytes:
    """Some sizes, types and numbers of the structure."""
    for field in _some_fields(data, random):
        data = field.written(data, _other_value(field, data, random))
    return data


def exchange_heads(data: bytes, other: bytes, random: Random) -> bytes:
    """The other's headers up to one of its fields, with this one's body from one of its own on."""
    mine, theirs = fields_of(data), fields_of(other)
    if not mine or not theirs:
        return splice(data, other, random)
    return other[: random.choice(theirs).start] + data[random.choice(mine).start :]


def empty(data: bytes, other: bytes, random: Random) -> bytes:
    """Nothing, or nothing but zeros."""
    return bytes(random.choice((0, 0, 1, len(data))))


MUTATIONS: tuple[Mutation, ...] = (
    change_fields,
    flip_bits,
    overwrite,
    truncate,
    remove,
    repeat,
    splice,
    exchange_heads,
    empty,
)
WEIGHTS = (12, 5, 2, 2, 2, 2, 2, 2, 0.2)


def _some_fields(data: bytes, random: Random) -> list[Field]:
    found = fields_of(data)
    kind = random.choice((Kind.SIZE, Kind.TYPE, Kind.NUMBER, Kind.NUMBER, None))
    wanted = [field for field in found if field.kind is kind] or found
    return random.sample(wanted, min(len(wanted), random.randint(1, MOST_FIELDS)))


def _other_value(field: Field, data: bytes, random: Random) -> int:
    """A value at the edges of what fits or of what was there, or one that stands in another field like it."""
    old, most = field.read(data), (1 << field.bits) - 1
    alike = [each.read(data) for each in fields_of(data) if (each.kind, each.size) == (field.kind, field.size)]
    edges = (0, 1, 2, 7, 8, most, most >> 1, (most >> 1) + 1, len(data), len(data) - field.start)
    near = (old + 1, old - 1, old * 2, old >> 1, old << 8, old ^ 1 << random.randrange(field.bits))
    likely = (*edges, *near, random.getrandbits(field.bits), random.choice(alike or [0]))
    return random.choice([value for value in likely if value & most != old])


def _stretch(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.randint(1, LONGEST_STRETCH))
