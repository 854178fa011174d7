"""One run of a generate job: what was asked for, and what belongs to this run of it alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from engine.avatar.key import canonical_hash, text_sha256
from engine.cancel import CancelToken
from engine.jobs import JobName
from engine.ledger.account import Account
from engine.outputs import Outputs, Target
from engine.schemas import Generate
from engine.sessions import Report, Standing
from engine.streams.writer import StreamWriter
from engine.video.fragments import FragmentSink


@dataclass(frozen=True)
class Run:
    """One run of one generate job.

    session_id: the session to speak with, or the one to make where the request names none.
    scratch: a folder of the run's own.
    announce: told of fields that the job's progress carries from then on.
    fragments: given the video while it is being made.
    stream: where ``fragments`` go on their way into the store.
    account: what the run has come to so far.
    """

    request: Generate
    name: JobName
    session_id: str
    target: Target
    scratch: Path
    standing: Standing
    cancel: CancelToken
    announce: Callable[[Mapping[str, str]], None]
    fragments: FragmentSink | None = None
    stream: StreamWriter | None = None
    account: Account = field(default_factory=Account)

    @cached_property
    def input_hash(self) -> str:
        """Equal for equal requests to one target. A sound of many megabytes goes in by its own hash."""
        fields = self.request.model_dump(mode="json", exclude={"idempotency_key", "owner", "audio_base64"})
        sound = self.request.audio_base64
        hashed = {"audio_base64": None if sound is None else text_sha256(sound)}
        target = {} if self.target.name is None else {"target": self.target.name}
        return canonical_hash({**fields, **hashed, **target})

    @property
    def outputs(self) -> Outputs:
        return Outputs.of(self.session_id, self.name.record_id, self.input_hash)

    def part(self, start: float, end: float) -> Report:
        """Progress of a part of the work, from ``start`` to ``end`` of the whole."""
        return lambda stage, share: self.standing.told(stage, start + (end - start) * share)
