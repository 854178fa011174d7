"""Every environment variable the service reads, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from engine.speech.settings import SpeechSettings


class Settings(SpeechSettings):
    """Read once at start. The README's table is made of these descriptions."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    renderer: Literal["auto", "preview"] = Field("auto", description="Which renderer draws the mouth.")
    store_dir: Path = Field(Path("data/store"), description="Folder of the local object store.")
    network_volume: Path = Field(
        Path("/runpod-volume"),
        description="Where a network volume is mounted: a STORE_DIR beneath it outlives the worker.",
    )
    inline_results: bool = Field(
        False,
        description="`1`: a generate returns its video in the reply as `video_base64`, up to 7 MB of it, and no store "
        "that outlives the worker is needed.",
    )
    scratch_dir: Path | None = Field(
        None, description="Folder for a job's temporary files. Unset: the system's temporary folder."
    )
    cache_dir: Path = Field(Path("data/cache"), description="Folder of this host's copies of prepared avatars.")
    cache_bytes: int = Field(
        10_000_000_000, ge=0, description="Room for the copies of prepared avatars that are not in use, in bytes."
    )
    avatar_dirs: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("avatars"),), description="Folders, separated by `:`, whose files a caller may name as an avatar."
    )
    default_avatar: Path = Field(
        Path("avatars/default.mp4"), description="The avatar of a session that names none: a video or a picture."
    )
    max_concurrency: int = Field(2, ge=1, le=64, description="Jobs that one worker runs at a time.")
    max_text_characters: int = Field(5_000, ge=1, description="Longest text of one job, in characters.")
    max_audio_bytes: int = Field(50_000_000, ge=1, description="Largest sound file of one job, in bytes.")
    max_audio_seconds: float = Field(900, gt=0, description="Longest sound of one job, in seconds.")
    max_avatar_bytes: int = Field(500_000_000, ge=1, description="Largest avatar file, in bytes.")
    max_avatar_seconds: float = Field(300, gt=0, description="Longest avatar, in seconds.")
    max_avatar_pixels: int = Field(3840 * 2160, ge=1, description="Most pixels in one frame of an avatar.")
    allowed_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts, as `host` or `host:port` and separated by commas, that may be fetched from although they "
        "are private or speak plain http. All others need https and a public address; ports are free.",
    )
    fetch_seconds: float = Field(300, gt=0, description="Time that fetching one URL may take.")
    decode_memory_bytes: int = Field(
        3_000_000_000, ge=1, description="Memory that the process which decodes a caller's file may take."
    )
    decode_seconds: float = Field(600, gt=0, description="Time that decoding one file may take.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log line shown.")

    @field_validator("avatar_dirs", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        return tuple(part for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("allowed_private_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())
