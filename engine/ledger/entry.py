"""What is written down of every generation, for ever: whose it was, who was shown, and what it came to."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Entry(BaseModel):
    """One generation. Neither a text nor a sound is in it, only its hash.

    day: when its job began, in UTC; a job that is tried again after midnight keeps its day. name: its job's, with the
    beginning of its input's hash, as its outputs' folder has it. owner: whom it belongs to; None where everybody is let
    in. written: when it ended. ended: `cancelled` and `failed` by the caller, who then has no video but has had the
    speech and the device. avatar_sha256: of the avatar's file as it came; None for a session that is older than these
    records. spoken_sha256: of the text as UTF-8, or of the sound's file. outputs: keys, in the service's store or in
    the ``bucket`` that came with the job. seconds: of video.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,120}$")
    owner: str | None
    job_id: str
    session_id: str
    written: AwareDatetime
    ended: Literal["done", "cancelled", "failed"] = "done"
    avatar_sha256: str | None
    spoken: Literal["text", "sound", "nothing"]
    spoken_sha256: str | None
    outputs: tuple[str, ...] = ()
    bucket: str | None = None
    renderer: str
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    tts_characters: int = 0

    @property
    def key(self) -> str:
        return f"audit/{self.day.isoformat()}/{self.name}.json"
