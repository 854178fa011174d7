"""Memory of a worker's process that speaks for a minute, and of one that speaks for ten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Literal

from bench.passage import text_of
from bench.recording import mp3_base64
from bench.table import Table
from bench.worker_life import Life, live
from bench.workplace import Workplace
from builder.default_avatar import build
from engine.timebase import FRAME_RATE

SESSION = "bench"
PLANAR_BYTES = 1.5
"""Bytes that a pixel of a frame takes."""


@dataclass(frozen=True)
class Canvas:
    """The avatar's size in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Voice:
    """Where the sound comes from, and the avatar that speaks it."""

    kind: Literal["text", "recording"]
    canvas: Canvas

    def __str__(self) -> str:
        return f"{self.kind}, {self.canvas}"


@dataclass(frozen=True)
class Speech:
    """One job: about so many seconds from a text, or exactly so many of an MP3 within the job."""

    voice: Voice
    seconds: int


@dataclass(frozen=True)
class Run:
    """One worker that has spoken."""

    speech: Speech
    life: Life

    @property
    def seconds(self) -> float:
        """How long the video is."""
        return self.life.found.frames / FRAME_RATE

    def row(self) -> tuple[str, ...]:
        found = self.life.found
        sizes = (found.ready_bytes, found.read_bytes, found.peak_bytes, self.life.child_bytes, self.life.job_bytes)
        return (
            str(self.speech.voice),
            f"{self.seconds:.1f}",
            f"{found.frames / found.seconds:.0f}",
            *(f"{size / 1e6:.1f}" for size in sizes),
        )


@dataclass(frozen=True)
class Growth:
    """How the worker's peak went up with the length of the sound. Raises ValueError for runs of one length only."""

    voice: Voice
    short: tuple[Run, ...]
    long: tuple[Run, ...]

    @classmethod
    def among(cls, voice: Voice, runs: tuple[Run, ...]) -> Growth:
        mine = [run for run in runs if run.speech.voice == voice]
        asked = {run.speech.seconds for run in mine}
        if len(asked) < 2:
            raise ValueError(f"{voice} was spoken at one length only")
        return cls(
            voice,
            tuple(run for run in mine if run.speech.seconds == min(asked)),
            tuple(run for run in mine if run.speech.seconds == max(asked)),
        )

    @property
    def times_sound(self) -> float:
        return mean(run.seconds for run in self.long) / mean(run.seconds for run in self.short)

    @property
    def more_bytes(self) -> float:
        return _peak(self.long) - _peak(self.short)

    @property
    def ratio(self) -> float:
        """The longest speeches' peak as a multiple of the shortest's."""
        return _peak(self.long) / _peak(self.short)

    def note(self) -> str:
        frames = mean(run.life.found.frames for run in self.long) - mean(run.life.found.frames for run in self.short)
        pictures = frames * self.voice.canvas.width * self.voice.canvas.height * PLANAR_BYTES
        return (
            f"{self.voice}: {self.times_sound:.1f} times the sound took {self.ratio:.3f} times the memory, "
            f"{self.more_bytes / 1e6:+.1f} MB. (The frames that it has more are {pictures / 1e6:,.0f} MB of pictures.)"
        )


@dataclass(frozen=True)
class Report:
    """All workers in the order they ran."""

    runs: tuple[Run, ...]

    def growths(self) -> tuple[Growth, ...]:
        """One for every voice that spoke at more than one length."""
        lengths: dict[Voice, set[int]] = {}
        for run in self.runs:
            lengths.setdefault(run.speech.voice, set()).add(run.speech.seconds)
        return tuple(Growth.among(voice, self.runs) for voice, spoken in lengths.items() if len(spoken) > 1)

    def table(self) -> Table:
        return Table(
            title="Memory of a worker's process, renderer preview",
            columns=(
                "job",
                "video s",
                "frames/s",
                "ready MB",
                "job read MB",
                "peak MB",
                "decoding MB",
                "job's JSON MB",
            ),
            rows=tuple(run.row() for run in self.runs),
            notes=(
                *(growth.note() for growth in self.growths()),
                "Every row is a fresh process, in the order they ran. Ready, job read, peak: the most that was "
                "resident in it until it was ready, had its job, and had done it. Decoding: the same of the child "
                "process that decodes the job's recording.",
                "The avatar was prepared before, by another process. A recording comes as an MP3 in the job's JSON, "
                "which stays in the worker's memory during the job.",
            ),
        )


SMALL, HD = Canvas(256, 300), Canvas(1280, 720)
TEXT, RECORDING = Voice("text", SMALL), Voice("recording", SMALL)
FULL = (
    *(Speech(voice, seconds) for seconds in (60, 600, 60) for voice in (TEXT, RECORDING)),
    Speech(Voice("text", HD), 60),
)
QUICK = tuple(Speech(voice, seconds) for seconds in (4, 20) for voice in (TEXT, RECORDING))


def measure(speeches: tuple[Speech, ...] = FULL) -> Report:
    """A fresh worker for every speech, one after the other; about three minutes on two cores."""
    with TemporaryDirectory() as folder:
        canvases = {speech.voice.canvas for speech in speeches}
        places = {canvas: _prepared(Path(folder) / str(canvas), canvas) for canvas in canvases}
        return Report(tuple(_run(places[speech.voice.canvas], speech) for speech in speeches))


def _prepared(folder: Path, canvas: Canvas) -> Workplace:
    """A workplace whose session is ready."""
    avatar = folder / "avatars" / "default.mp4"
    build(avatar, canvas.width, canvas.height)
    place = Workplace(folder, avatar).make()
    live(place, {"action": "create_session", "session_id": SESSION})
    return place


def _run(place: Workplace, speech: Speech) -> Run:
    if speech.voice.kind == "text":
        sound = {"text": text_of(speech.seconds)}
    else:
        sound = {"audio_base64": mp3_base64(speech.seconds)}
    return Run(speech, live(place, {"session_id": SESSION, **sound}))


def _peak(runs: tuple[Run, ...]) -> float:
    return mean(run.life.found.peak_bytes for run in runs)
