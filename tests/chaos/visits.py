"""What callers ask for in a run, and when: it depends on nothing but the seed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from random import Random
from typing import Any, Literal

from tests.worker.clips import hum, wav_base64

Ends = Literal["video", "session", "status", "deleted", "refused"]
"""How a job ends where nothing goes wrong."""

RATE = 16_000
FRAME_SAMPLES = 640
"""Samples of one frame (ARCHITECTURE.md)."""

WORDS = ("winter", "hope", "despair", "light", "darkness", "wisdom", "belief", "spring", "king", "queen", "season")


@dataclass(frozen=True)
class Asked:
    """One job of a caller's.

    pause: seconds after what came before. waits: until the caller's job before it has ended. cancel_after: seconds
    from its submission. copies: how often it is submitted, at once. frames: of its video, where its input says so.
    """

    input: Any
    ends: Ends
    pause: float = 0.0
    waits: bool = True
    cancel_after: float | None = None
    copies: int = 1
    frames: int | None = None


@dataclass(frozen=True)
class Visit:
    """One caller, who comes ``begins`` seconds after the beginning."""

    begins: float
    jobs: tuple[Asked, ...]


@dataclass(frozen=True)
class Avatars:
    """Paths, as callers name them. good: of faces; None is the default avatar. faceless, damaged: of no use."""

    good: tuple[str | None, ...]
    faceless: str
    damaged: str


def visits(seed: int, seconds: float, jobs: int, avatars: Avatars) -> tuple[Visit, ...]:
    """Callers with that many jobs in all, or a few more, who come in so many seconds."""
    random = Random(f"callers of {seed}")
    lists = islice(_lists(seed, jobs, avatars, random), None)
    found = [Visit(round(random.uniform(0, 0.95) * seconds, 1), asked) for asked in lists]
    return tuple(sorted(found, key=lambda visit: visit.begins))


def _lists(seed: int, jobs: int, avatars: Avatars, random: Random) -> Iterator[tuple[Asked, ...]]:
    submitted = number = 0
    while submitted < jobs:
        asked = tuple(_caller(f"{seed}-{number}", avatars, random))
        submitted += sum(each.copies for each in asked)
        number += 1
        yield asked


def _caller(name: str, avatars: Avatars, random: Random) -> Iterator[Asked]:
    kind = random.choices((_session, _one_shot, _refused), (7, 3, 1))[0]
    return kind(name, avatars, random)


def _session(name: str, avatars: Avatars, random: Random) -> Iterator[Asked]:
    session = f"session-{name}"
    create = {"action": "create_session", "session_id": session, "avatar_video_path": random.choice(avatars.good)}
    yield Asked(create, "session", copies=_sometimes(random, 0.1), cancel_after=_cancel(random, 0.06))
    for number in range(random.randint(2, 6)):
        yield _video({"session_id": session}, f"{name}-{number}", random)
        if random.random() < 0.2:
            yield Asked({"action": "status", "session_id": session}, "status", waits=False)
    if random.random() < 0.3:
        yield Asked({"action": "delete_session", "session_id": session}, "deleted", 0.7, waits=random.random() < 0.5)


def _one_shot(name: str, avatars: Avatars, random: Random) -> Iterator[Asked]:
    yield _video({"avatar_video_path": random.choice(avatars.good)}, name, random)


def _video(target: dict[str, Any], name: str, random: Random) -> Asked:
    frames, sound = random.choices((_recorded, _text, _at_rest), (5, 5, 1))[0](name, random)
    copies = _sometimes(random, 0.12)
    key = {"idempotency_key": f"key-{name}"} if copies > 1 or random.random() < 0.1 else {}
    stream = {"stream": True} if random.random() < 0.15 else {}
    return Asked(
        {**target, **sound, **key, **stream},
        "video",
        pause=round(random.expovariate(1 / 0.5), 1),
        waits=random.random() < 0.8,
        cancel_after=None if copies > 1 else _cancel(random, 0.14),
        copies=copies,
        frames=frames,
    )


def _recorded(name: str, random: Random) -> tuple[int | None, dict[str, Any]]:
    samples = random.randrange(3 * RATE // 10, 3 * RATE // 2, 160)
    return -(-samples // FRAME_SAMPLES), {"audio_base64": _recording(samples)}


def _text(name: str, random: Random) -> tuple[int | None, dict[str, Any]]:
    """No two jobs have the same, so that who buys it is known."""
    return None, {"text": f"{name}: {random.choice(WORDS)} of {random.choice(WORDS)}."}


def _at_rest(name: str, random: Random) -> tuple[int | None, dict[str, Any]]:
    return None, {"idle": True}


@cache
def _recording(samples: int) -> str:
    return wav_base64(hum(samples / RATE, RATE))


def _refused(name: str, avatars: Avatars, random: Random) -> Iterator[Asked]:
    bad: tuple[Callable[[], Any], ...] = (
        lambda: {"action": "dance"},
        lambda: {"text": ""},
        lambda: {"text": name, "idle": True},
        lambda: {"session_id": f"nobody-s-{name}", "text": name},
        lambda: {"session_id": "../" + name, "text": name},
        lambda: {"audio_base64": base64.b64encode(name.encode()).decode()},
        lambda: {"avatar_video_path": avatars.faceless, "audio_base64": _recording(8_000)},
        lambda: {"avatar_video_path": avatars.damaged, "audio_base64": _recording(8_000)},
        lambda: {"avatar_video_path": "/etc/passwd", "audio_base64": _recording(8_000)},
        lambda: [name],
        lambda: {"action": "delete_session", "session_id": f"nobody-s-{name}"},
    )
    for one in random.sample(bad, 3):
        yield Asked(one(), "refused", waits=False)


def _sometimes(random: Random, share: float) -> int:
    return 2 if random.random() < share else 1


def _cancel(random: Random, share: float) -> float | None:
    return round(random.uniform(0.1, 4.0), 1) if random.random() < share else None
