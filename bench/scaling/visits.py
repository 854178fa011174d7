"""What callers come for: each makes a session once and has it speak a few times, as over the REST API."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.passage import text_of
from bench.recording import mp3_base64


@dataclass(frozen=True)
class Habits:
    """A session makes one to ``most_videos`` videos, each number as likely, of ``shortest`` to ``longest`` seconds of
    speech. From a result to the caller's next job it is ``pause`` seconds on average."""

    most_videos: int = 4
    shortest: int = 2
    longest: int = 10
    pause: float = 2.0


@dataclass(frozen=True)
class Asked:
    """A job's input, asked for ``pause`` seconds after the result of the one before."""

    pause: float
    input: dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """One caller's jobs, from ``begins`` on, one after the other."""

    begins: float
    jobs: tuple[Asked, ...]


def visits(begins: Sequence[float], avatars: Sequence[str], habits: Habits, seed: int) -> tuple[Visit, ...]:
    """A visit for each beginning, the same for the same seed: a session with one of the avatars, by their paths, and
    then its videos, of a text or of the caller's own recording."""
    random = Random(seed)
    return tuple(_visit(number, begin, avatars, habits, random) for number, begin in enumerate(begins))


def _visit(number: int, begins: float, avatars: Sequence[str], habits: Habits, random: Random) -> Visit:
    session = f"visit-{number}"
    create = {"action": "create_session", "session_id": session, "avatar_video_path": random.choice(avatars)}
    videos = (
        Asked(random.expovariate(1 / habits.pause), {"session_id": session, **_sound(habits, random)})
        for _ in range(random.randint(1, habits.most_videos))
    )
    return Visit(begins, (Asked(0.0, create), *videos))


def _sound(habits: Habits, random: Random) -> dict[str, str]:
    seconds = random.randint(habits.shortest, habits.longest)
    return {"text": text_of(seconds)} if random.random() < 0.5 else {"audio_base64": _recording(seconds)}


@functools.cache
def _recording(seconds: int) -> str:
    return mp3_base64(seconds)
