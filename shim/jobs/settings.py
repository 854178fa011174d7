"""The setting of jobs that are done later."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class JobSettings(BaseSettings):
    """How many jobs may wait."""

    max_waiting_jobs: int = Field(
        64,
        ge=1,
        le=10_000,
        description="Most jobs asked for with `?async=true` that wait for a place where the REST server makes the "
        "videos itself; of one caller's, three quarters of them.",
    )
