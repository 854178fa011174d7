"""The environment variables of uploads."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class AvatarSettings(BaseSettings):
    """What an avatar needs to be taken."""

    require_consent: bool = Field(
        False,
        description="`1`: an avatar is only taken, as an upload or from a URL, with `consent: true`, by which its "
        "sender states that whoever it shows consents.",
    )
