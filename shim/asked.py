"""A generate as it was asked for: its request, and the job that it becomes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from engine.errors import InvalidInput
from engine.jobs import JobName
from engine.schemas import Generate, parse_input
from shim.bodies import Body
from shim.keyed_requests import HEADER
from shim.session_id import demand_session_id

WEBHOOK_FIELD = "webhook_url"
"""Of the bodies of jobs that are done later."""


@dataclass(frozen=True)
class Asked:
    """An accepted request, the job that it becomes, and what of it was ignored."""

    request: Generate
    job_id: str
    warnings: list[str]

    @classmethod
    def of(cls, fields: Mapping[str, Any], owner: str | None) -> Asked:
        """``owner``: whose the video will be.

        Raises InvalidInput, and SessionNotFound for an id that no session can have.
        """
        if fields.get(WEBHOOK_FIELD) is not None:
            raise InvalidInput(f"`{WEBHOOK_FIELD}` is told of jobs that are done later: add `?async=true` to the path.")
        body = Body.of(fields, Generate)
        session_id = body.fields.get("session_id")
        if session_id is None and "avatar_video_path" not in body.fields:
            raise InvalidInput("`session_id` is needed: create a session, and wait until it is ready.")
        if isinstance(session_id, str):
            demand_session_id(session_id)
        request = parse_input({"action": "generate", **body.fields, "owner": owner})
        assert isinstance(request, Generate)
        return cls(request, str(uuid.uuid4()), body.warnings)

    def named(self, subject: str) -> Self:
        """The same, of a job that is always the same one for this name. Raises InvalidInput."""
        if self.request.idempotency_key is not None:
            raise InvalidInput(f"Send either the header `{HEADER}` or the field `idempotency_key`.")
        request = self.request.model_copy(update={"idempotency_key": subject})
        return replace(
            self, request=request, job_id=JobName.of_idempotency_key(subject, subject, request.owner).record_id
        )
