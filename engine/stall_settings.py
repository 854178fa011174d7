"""How long a job may stand still before its worker ends itself."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class StallSettings(BaseSettings):
    """Times without a single step, not times in all: slow work that moves is never ended."""

    drawing_stall_seconds: float = Field(
        300,
        ge=0,
        description="A worker whose job has drawn, heard and encoded nothing for so many seconds ends itself, so that "
        "the queue hands its jobs to another. 0: never.",
    )
    stall_seconds: float = Field(
        1_200,
        ge=0,
        description="The same for a job's other stages: speech and sound, the avatar, saving. More than any one wait "
        "for the network in them lasts. 0: never.",
    )
