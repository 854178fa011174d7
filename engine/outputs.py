"""Where a job's files lie, and how they get there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.captions import srt, webvtt
from engine.pipeline import MadeVideo
from engine.store.callers_bucket import CallersBucket
from engine.store.protocol import ObjectStore, OutputStore


@dataclass(frozen=True)
class Outputs:
    """The keys of what one job makes."""

    folder: str

    @classmethod
    def of(cls, session_id: str, job_id: str, input_hash: str) -> Outputs:
        """The same job with the same input has the same keys; with another input, others."""
        return cls(f"outputs/{session_id}/{job_id}-{input_hash[:8]}")

    @property
    def name(self) -> str:
        """The last folder's: the job's id, and the beginning of its input's hash."""
        return self.folder.rpartition("/")[2]

    @property
    def video(self) -> str:
        return f"{self.folder}/video.mp4"

    @property
    def audio(self) -> str:
        return f"{self.folder}/audio.mp3"

    @property
    def captions(self) -> str:
        return f"{self.folder}/captions.vtt"

    @property
    def subtitles(self) -> str:
        return f"{self.folder}/captions.srt"

    @property
    def thumbnail(self) -> str:
        return f"{self.folder}/thumbnail.jpg"

    @property
    def files(self) -> tuple[str, ...]:
        """The keys of all files that a caller gets."""
        return self.video, self.audio, self.captions, self.subtitles, self.thumbnail

    @property
    def result(self) -> str:
        return f"{self.folder}/result.json"

    @property
    def speech(self) -> str:
        """A folder: bought speech lies there until the job is done."""
        return f"{self.folder}/speech"


@dataclass(frozen=True)
class Target:
    """Where a job's files go: the service's store, or, with a ``name``, the bucket that came with the job."""

    store: OutputStore
    holds: Callable[[str], bool]
    name: str | None = None

    @classmethod
    def own(cls, store: ObjectStore) -> Target:
        return cls(store, lambda key: store.head(key) is not None)

    @classmethod
    def callers(cls, bucket: CallersBucket) -> Target:
        return cls(bucket, bucket.holds, bucket.config.folder_url)


def save(made: MadeVideo, outputs: Outputs, store: OutputStore) -> None:
    """Put a video and what goes with it into the store, the video last."""
    if made.audio is not None:
        with made.audio.open("rb") as audio:
            store.upload(outputs.audio, audio, "audio/mpeg")
    store.put(outputs.captions, webvtt(made.words).encode(), "text/vtt")
    store.put(outputs.subtitles, srt(made.words).encode(), "application/x-subrip")
    store.put(outputs.thumbnail, made.thumbnail, "image/jpeg")
    with made.video.open("rb") as video:
        store.upload(outputs.video, video, "video/mp4")
