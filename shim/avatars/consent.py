"""The statement that whoever an avatar shows consents to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidInput
from shim.callers import Caller
from shim.refusals import ConsentRequired

FIELD = "consent"

PROPERTY: dict[str, Any] = {
    "type": "boolean",
    "default": False,
    "description": "The sender states that whoever the avatar shows consents. The server may need it of uploads and of "
    "avatars that are URLs (`GET /api/v1/limits` tells).",
}
"""The field as the API's description has it."""

_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"", "false", "0", "no", "off"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Consent:
    """Whether the operator needs consent to be stated."""

    is_required: bool

    def demand(self, stated: bool) -> None:
        """Raises ConsentRequired where it is needed and wasn't stated."""
        if self.is_required and not stated:
            raise ConsentRequired(
                "This service needs the consent of whoever the avatar shows: send `consent: true` if you have it."
            )

    def demand_of_body(self, body: Mapping[str, Any], caller: Caller) -> None:
        """The same for a body whose avatar is a caller's own URL; what was stated stands in the log.

        Raises InvalidInput where the field is neither true nor false.
        """
        stated, avatar = stated_in(body), body.get("avatar_video_path")
        if not isinstance(avatar, str) or "://" not in avatar:
            return
        self.demand(stated)
        if stated:
            log.info("%s states consent for an avatar from a URL.", caller.name)


def stated_in(body: Mapping[str, Any]) -> bool:
    """Whether a JSON body states it. Raises InvalidInput where the field is neither true nor false."""
    stated = body.get(FIELD)
    if stated is not None and not isinstance(stated, bool):
        raise InvalidInput("`consent`: it has to be true or false.")
    return stated is True


def stated_by(text: str) -> bool:
    """Whether a form's field states it. Raises InvalidInput for another word than a yes or a no."""
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise InvalidInput("`consent`: it has to be `true` or `false`.")
    return word in _YES
