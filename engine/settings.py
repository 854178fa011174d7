"""Every environment variable the service reads, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from engine.avatar.blocked import BlockSettings
from engine.errors import ConfigurationError
from engine.provenance.settings import ProvenanceSettings
from engine.speech.settings import SpeechSettings
from engine.stall_settings import StallSettings

_TEN_YEARS = 10 * 365 * 86_400


class Settings(BlockSettings, SpeechSettings, ProvenanceSettings, StallSettings):
    """Read once at start. The README's table is made of these descriptions."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    renderer: Literal["auto", "musetalk", "preview"] = Field(
        "auto",
        description="Which renderer draws the mouth. `auto`: `musetalk` where its weights are installed, `preview` "
        "where they are not and there is no GPU.",
    )
    weights_dir: Path = Field(
        Path("weights"), description="Folder of MuseTalk's weights, as `python -m builder.fetch_models` fills it."
    )
    model_dtype: Literal["fp16", "bf16"] = Field(
        "fp16", description="Precision of MuseTalk's networks on a GPU; on a CPU they calculate in 32 bits."
    )
    compile_networks: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether MuseTalk's networks are compiled, when the worker is idle, and kept so in the store. "
        "`auto`: on a GPU.",
    )
    gpu_cache_bytes: int = Field(
        512_000_000, ge=0, description="Room in the GPU's memory for the latents of MuseTalk's avatars, in bytes."
    )
    rest_in_silence: bool = Field(
        True, description="`1`: MuseTalk's mouth rests where nothing is heard. `0`: the network draws it there too."
    )
    smooth_boxes: bool = Field(
        True, description="`1`: MuseTalk's boxes are smoothed along an avatar. `0`: each frame has its own."
    )
    least_face_score: float = Field(
        0.3, ge=0, le=1, description="How sure MuseTalk's landmarks have to be, on average, that a frame shows a face."
    )
    encoder: Literal["auto", "x264", "nvenc"] = Field(
        "auto",
        description="What encodes the videos. `auto`: the GPU's own encoder where it has one, x264 on the processor "
        "elsewhere.",
    )
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
    ram_cache_bytes: int = Field(
        1_000_000_000,
        ge=0,
        description="Memory for prepared avatars whose next job is to begin at once, in bytes: a second of 720p takes "
        "35 MB. `0`: none.",
    )
    avatar_dirs: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("avatars"),), description="Folders, separated by `:`, whose files a caller may name as an avatar."
    )
    default_avatar: Path = Field(
        Path("avatars/default.mp4"), description="The avatar of a session that names none: a video or a picture."
    )
    max_concurrency: int = Field(
        3,
        ge=1,
        le=64,
        description="Jobs that one worker runs at a time. Below 3 RunPod's SDK waits up to a second between two jobs.",
    )
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
    runpod_endpoint_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="The endpoint whose queue holds the jobs. In a worker RunPod sets it.",
    )
    runpod_api_key: SecretStr | None = Field(
        None,
        description="RunPod API key that may use the endpoint: with it a session whose worker died is given to another "
        "one, and ends in an error without. It is not the `RUNPOD_AI_API_KEY` that RunPod sets in a worker.",
    )
    runpod_api_base_url: str = Field(
        "https://api.runpod.ai/v2",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="Address below which the endpoints of RunPod's queue lie.",
    )
    sync_wait_seconds: float = Field(
        90,
        gt=0,
        le=3600,
        description="How long the REST server in front of an endpoint lets a request wait for its video, in seconds: "
        "less than the proxies before it do. The job goes on after that.",
    )
    session_ttl: int = Field(
        86_400,
        ge=0,
        le=_TEN_YEARS,
        description="How long a session is kept after its last use, in seconds; longer than any job runs. 0: for ever.",
    )
    output_ttl: int = Field(
        86_400,
        ge=0,
        le=_TEN_YEARS,
        description="How long videos and what belongs to them are kept, in seconds; their session's end is theirs too. "
        "0: as long as the session.",
    )
    upload_ttl: int = Field(
        86_400,
        ge=0,
        le=_TEN_YEARS,
        description="How long an uploaded avatar is kept, in seconds: as long as a job may wait in the queue. Prepared "
        "avatars don't need it. 0: for ever.",
    )
    stream_ttl: int = Field(
        3_600,
        ge=60,
        le=_TEN_YEARS,
        description="How long the stored parts and segments of a stream are kept after its last one, in seconds.",
    )
    host: str = Field("127.0.0.1", description="Address that the REST server listens at. `0.0.0.0`: every one.")
    port: int = Field(8000, ge=1, le=65_535, description="Port of the REST server.")
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

    @field_validator("runpod_endpoint_id", "runpod_api_key", "scratch_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value

    @field_validator("runpod_api_key")
    @classmethod
    def _plain_runpod_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not all("!" <= character <= "~" for character in key.get_secret_value()):
            raise ValueError("the key holds characters that no key has; copy it again")
        return key

    @field_validator("runpod_api_base_url", mode="before")
    @classmethod
    def _base_without_slash(cls, value: object) -> object:
        return value.strip().rstrip("/") if isinstance(value, str) else value


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_settings() -> Settings:
    """The settings of the environment, or ConfigurationError that names the variables at fault and no value."""
    return read_settings_of(Settings)


def read_settings_of(model: type[SettingsT]) -> SettingsT:
    """As ``read_settings``, of a kind of settings that has more of them."""
    try:
        return model()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        told = [f"{'.'.join(map(str, fault['loc'])).upper() or 'SETTINGS'}: {fault['msg']}" for fault in faults]
        raise ConfigurationError("; ".join(told)) from None
