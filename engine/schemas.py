"""What goes into and comes out of every action; the REST shim uses the same models."""

from __future__ import annotations

import difflib
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from engine.errors import InvalidInput, UnknownAction
from engine.lipsync.options import REFUSED, CheekWidth, ExtraMargin, ParsingMode, PreparationOptions
from engine.speech.voice import VoiceSettings
from engine.video.quality import Quality


def _whole_characters(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair; send valid Unicode") from None
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Location = Annotated[str, AfterValidator(_whole_characters)]
"""A path, an upload's id or an address."""
SyncMode = Literal["bounce", "loop", "cut_off"]
SessionStatus = Literal["preparing", "ready", "error"]

METADATA_BYTES = 1024
LEAST_HEIGHT, MOST_HEIGHT = 128, 2160
OPTIONS = tuple(PreparationOptions.model_fields)
"""Names of the options of a preparation."""


class ActionInput(BaseModel):
    """A job's ``input``: unknown keys are errors, and types are taken as they are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Preparing(ActionInput):
    """An action that may prepare an avatar; an option that is null has its default."""

    avatar_video_path: Location | None = Field(None, description="The avatar; null means the default avatar.")
    owner: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Whose the session, its videos and the upload are: filled in by the REST server, where it asks for "
        "keys. Another owner's session or upload is not found.",
    )
    extra_margin: ExtraMargin | None = None
    left_cheek_width: CheekWidth | None = None
    right_cheek_width: CheekWidth | None = None
    parsing_mode: ParsingMode | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_options_of_other_versions(cls, given: object) -> object:
        for name, instead in REFUSED.items():
            if isinstance(given, dict) and name in given:
                raise ValueError(f"`{name}` has no effect: {instead}")
        return given

    @property
    def options(self) -> PreparationOptions:
        """The options of the preparation, with the defaults of those that were not given."""
        return PreparationOptions.model_validate(self.model_dump(include=set(OPTIONS), exclude_none=True))


class CreateSession(Preparing):
    """Prepare an avatar once, to speak with it as often as needed."""

    action: Literal["create_session"]
    session_id: Id | None = Field(None, description="The caller's own id for the session.")
    begun: bool = Field(
        False, description="The session's record is there already; if it isn't, the session was deleted since."
    )


class Status(ActionInput):
    """How a session is, or, without one, how the worker is."""

    action: Literal["status"]
    session_id: Id | None = None


class DeleteSession(ActionInput):
    """Forget a session and its outputs.

    ``forget_avatar``: its upload too, and the prepared face unless another session uses it.
    """

    action: Literal["delete_session"]
    session_id: Id
    forget_avatar: bool = False


class Generate(Preparing):
    """Make a video of the session's avatar, or of an avatar named here: speaking a text or a sound, or at rest."""

    action: Literal["generate"] = "generate"
    session_id: Id | None = None
    text: str | None = None
    voice_id: str | None = Field(None, max_length=128)
    model_id: str | None = Field(None, max_length=128)
    voice_settings: VoiceSettings | None = None
    audio_base64: str | None = None
    audio_url: Location | None = None
    idle: bool = Field(
        False,
        description="In place of a text or a sound: a silent loop of the avatar at rest, of 20 s at most, whose last "
        "frame leads to its first. It has no `audio_url`.",
    )
    sync_mode: SyncMode = Field("bounce", description="What happens when the sound outlasts the avatar.")
    start_seconds: float = Field(0, ge=0, allow_inf_nan=False, description="Where in the avatar to begin.")
    height: int | None = Field(
        None,
        ge=LEAST_HEIGHT,
        le=MOST_HEIGHT,
        multiple_of=2,
        description="Height of the video in pixels; its width follows. The avatar's own height where that is smaller, "
        "with a warning. null: the avatar's.",
    )
    quality: Quality = Field(
        "standard",
        description="`draft` takes about half of the standard's bytes, and shows it; `high` up to twice as many.",
    )
    stream: bool = Field(
        False,
        description="Also store the video in parts while it is made: progress carries `stream_url` and `hls_url`. The "
        "stream lies in the service's own store, whatever bucket comes with the job, and goes after `STREAM_TTL`.",
    )
    idempotency_key: str | None = Field(
        None, min_length=1, max_length=255, description="The same key gives the same outputs, whatever the job's id."
    )
    metadata: JsonValue = Field(None, description=f"Up to {METADATA_BYTES} bytes of the caller's own JSON, echoed.")

    def creation(self) -> CreateSession:
        """The request that prepares the avatar named here."""
        chosen = self.model_dump(include={"avatar_video_path", "owner", *OPTIONS})
        return CreateSession.model_validate({"action": "create_session", **chosen})

    @field_validator("metadata")
    @classmethod
    def _little_json(cls, metadata: JsonValue) -> JsonValue:
        try:
            size = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
        except ValueError:
            raise ValueError("it has to be JSON in valid Unicode, without NaN and infinity") from None
        if size > METADATA_BYTES:
            raise ValueError(f"it may take {METADATA_BYTES} bytes as JSON")
        return metadata

    @model_validator(mode="after")
    def _one_source_of_each(self) -> Generate:
        sources = [name for name in ("text", "audio_base64", "audio_url") if getattr(self, name) is not None]
        if self.idle:
            sources.append("idle")
        if len(sources) != 1:
            given = " and ".join(sources) if sources else "none of them"
            raise ValueError(f"exactly one of `text`, `audio_base64`, `audio_url` and `idle` is needed; {given} came")
        return self

    @model_validator(mode="after")
    def _a_loop_bounces(self) -> Generate:
        if self.idle and self.sync_mode != "bounce":
            raise ValueError("an `idle` loop is always a bounce: leave out `sync_mode`")
        return self

    @model_validator(mode="after")
    def _a_session_has_its_avatar(self) -> Generate:
        for name in ("avatar_video_path", *OPTIONS):
            if self.session_id is not None and getattr(self, name) is not None:
                raise ValueError(f"`session_id` and `{name}` exclude each other: a session has its prepared avatar")
        return self


ACTIONS: dict[str, type[ActionInput]] = {
    "generate": Generate,
    "create_session": CreateSession,
    "status": Status,
    "delete_session": DeleteSession,
}


def parse_input(job_input: object) -> ActionInput:
    """The action that a job's ``input`` asks for; ``action`` defaults to generate.

    Raises UnknownAction or InvalidInput with a sentence for the caller.
    """
    if not isinstance(job_input, dict):
        raise InvalidInput('`input` has to be a JSON object such as {"text": "Hello!"}.')
    action = job_input.get("action", "generate")
    if not isinstance(action, str) or action not in ACTIONS:
        raise UnknownAction(f"There is no action {_shown(action)}. {_suggest(str(action), list(ACTIONS))}")
    model = ACTIONS[action]
    try:
        return model.model_validate(job_input)
    except ValidationError as error:
        raise InvalidInput(_sentences(error, action, model)) from None


def _sentences(error: ValidationError, action: str, model: type[BaseModel]) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=True)
    shown = [_sentence(detail, action, model) for detail in details[:5]]
    if len(details) > len(shown):
        shown.append(f"And {len(details) - len(shown)} more.")
    return " ".join(shown)


def _sentence(detail: ErrorDetails, action: str, model: type[BaseModel]) -> str:
    field = ".".join(str(part) for part in detail["loc"])[:64]
    if detail["type"] == "missing":
        return f"`{action}` needs `{field}`."
    if detail["type"] == "extra_forbidden":
        names = VoiceSettings.model_fields if detail["loc"][0] == "voice_settings" else model.model_fields
        return f"`{action}` knows no `{field}`. {_suggest(str(detail['loc'][-1]), list(names))}"
    if detail["type"] == "value_error":
        return f"`{field or action}`: {detail['msg'].removeprefix('Value error, ')}."
    return f"`{field}`: {detail['msg'][0].lower()}{detail['msg'][1:]}; {_shown(detail['input'])} came."


def _suggest(word: str, names: list[str]) -> str:
    near = difflib.get_close_matches(word[:64], names, n=1, cutoff=0.5)
    return f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(f'`{name}`' for name in names)}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class WordTime(BaseModel):
    """One spoken word, in seconds from the video's beginning."""

    text: str
    start: float
    end: float


class FaceBox(BaseModel):
    """A rectangle in pixels of the prepared avatar."""

    left: int
    top: int
    width: int
    height: int


class AvatarInfo(BaseModel):
    """What became of the avatar's video."""

    width: int
    height: int
    seconds: float
    face_width: int
    face_height: int
    face_box: FaceBox | None = Field(
        None, description="Where the face is in the first frame that shows it, which is the thumbnail's."
    )
    warnings: list[str]


class SessionReply(BaseModel):
    """A session as its caller sees it."""

    session_id: str
    status: SessionStatus
    message: str
    avatar_prepared: bool
    renderer: str
    progress: float | None = None
    error_code: str | None = None
    expires_at: datetime | None = None
    avatar: AvatarInfo | None = None


class DeleteReply(BaseModel):
    """A session is gone."""

    message: str = "Session deleted successfully"


class HealthReply(BaseModel):
    """How the worker is; in front of an endpoint, how its newest worker was when it began, and the queue is now."""

    status: Literal["healthy", "unhealthy"] = "healthy"
    device: str
    cuda_available: bool
    models_loaded: bool
    renderer: str
    versions: dict[str, str]
    workers: dict[str, int] | None = Field(
        None, description="An endpoint's workers, by what they are doing.", exclude_if=lambda workers: workers is None
    )
    jobs: dict[str, int] | None = Field(
        None,
        description="The jobs of an endpoint, or of this server, by how they stand.",
        exclude_if=lambda jobs: jobs is None,
    )


class Generated(BaseModel):
    """A finished generate as it is stored: keys, and no addresses, which are made afresh at every reply."""

    session_id: str
    duration: float = Field(description="Seconds.")
    frames: int
    video_key: str
    audio_key: str | None = Field(None, description="None of a silent video.")
    captions_key: str = Field(description="WebVTT.")
    subtitles_key: str | None = Field(None, description="The same as SubRip.")
    thumbnail_key: str
    words: list[WordTime]
    renderer: str
    voice_used: str | None = None
    tts_characters: int
    timings: dict[str, float] = Field(description="Seconds by stage; stages run side by side.")
    gpu_seconds: float
    expires_at: datetime | None = Field(None, description="When the files may be removed.")
    warnings: list[str]
    metadata: JsonValue = None


class GenerateReply(Generated):
    """A finished generate as its caller gets it."""

    video_url: str
    audio_url: str | None = None
    captions_url: str
    subtitles_url: str | None = None
    thumbnail_url: str


class InlineReply(Generated):
    """A finished generate whose video travels in the reply itself."""

    video_base64: str
