"""What ElevenLabs' refusals mean for the caller, and whether to ask again.

A refusal's body comes in five shapes: ``{"detail": {"type", "code", "message", "status", ...}}``,
``{"detail": {"status", "message"}}``, ``{"detail": [{"loc", "msg", "type"}]}``, ``{"detail": "a string"}``, and a
proxy's page. It is classified by its HTTP status together with its code, never by the status alone: an account that
has spent its quota may answer 401.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeGuard

from engine.errors import EngineError, TextTooLong, TtsMisconfigured, TtsQuotaExceeded, TtsRejected, VoiceNotAvailable
from engine.outages import TtsBroken, TtsBusy, TtsUnavailable

NEVER: tuple[float, ...] = ()
WHEN_A_SLOT_IS_FREE = (0.75, 1.5, 3.0)
WHEN_LESS_BUSY = (1.0, 2.0, 4.0)
AFTER_A_FAULT = (0.5, 1.0, 2.0)

_QUOTA = frozenset({"quota_exceeded", "insufficient_credits"})
_PLAN = frozenset({"payment_required", "paid_plan_required"})
_LENGTH = frozenset({"text_too_long", "max_character_limit_exceeded"})
_SLOTS = frozenset({"too_many_concurrent_requests", "concurrent_limit_exceeded"})
_OPERATORS = frozenset({"only_for_creator+", "invalid_output_format", "output_format_not_allowed"})
_CODE = re.compile(r"[a-z0-9_+.-]{1,60}")
_LONGEST_QUOTE = 200


class Failed(Exception):
    """A request that came to nothing: the caller's error, and the seconds to wait before each further attempt."""

    def __init__(self, error: EngineError, delays: tuple[float, ...]) -> None:
        super().__init__(error.message)
        self.error = error
        self.delays = delays


@dataclass(frozen=True)
class Refusal:
    """A reply that is not 200. ``codes`` are its code, status and type in words; ``about`` is its parameter."""

    http_status: int
    codes: frozenset[str]
    message: str
    about: str = ""

    @property
    def named(self) -> str:
        return ", ".join([f"HTTP {self.http_status}", *sorted(self.codes)])

    @property
    def concerns_voice(self) -> bool:
        return self.about == "voice_id" or "voice" in self.message.lower() or "voice_not_found" in self.codes


def read_refusal(http_status: int, body: bytes) -> Refusal:
    """The refusal in any of the five shapes."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    detail = parsed.get("detail") if isinstance(parsed, dict) else None
    if isinstance(detail, dict):
        codes = frozenset(filter(_is_code, (detail.get(key) for key in ("code", "status", "type"))))
        return Refusal(http_status, codes, _text(detail.get("message")), _text(detail.get("param")))
    if isinstance(detail, list):
        return Refusal(http_status, frozenset({"validation_error"}), "; ".join(map(_validation_line, detail)))
    if isinstance(detail, str):
        return Refusal(http_status, frozenset(filter(_is_code, [detail])), detail)
    return Refusal(http_status, frozenset(), "")


def classify(refusal: Refusal, voice_id: str, secret: str) -> Failed:
    """What the refusal means for a request for that voice. ``secret`` is taken out of what is quoted from it."""
    if refusal.codes & _QUOTA:
        return Failed(_quota(refusal), NEVER)
    if refusal.http_status == 429:
        return _busy(refusal)
    if refusal.http_status >= 500 or refusal.http_status == 408:
        message = f"The speech service failed ({refusal.named}). Try again later."
        return Failed(TtsUnavailable(message), AFTER_A_FAULT)
    return Failed(_lasting_error(refusal, voice_id, secret), NEVER)


def no_answer(reason: str) -> Failed:
    """The service could not be reached, or went silent."""
    return Failed(TtsUnavailable(f"The speech service did not answer ({reason}). Try again later."), AFTER_A_FAULT)


def damaged(reason: str) -> Failed:
    """The service's reply can't be read."""
    return Failed(TtsBroken(f"The speech service's reply is damaged: {reason}. Try again."), AFTER_A_FAULT)


def voice_not_available(voice_id: str, reason: str) -> VoiceNotAvailable:
    return VoiceNotAvailable(
        f"The speech service has no voice {voice_id!r} for this account ({reason}). Choose another voice_id, or let "
        "the operator map it to a voice of theirs with VOICE_ALIASES."
    )


def _busy(refusal: Refusal) -> Failed:
    delays = WHEN_A_SLOT_IS_FREE if refusal.codes & _SLOTS else WHEN_LESS_BUSY
    return Failed(TtsBusy(f"The speech service is busy ({refusal.named}). Try again in a few seconds."), delays)


def _quota(refusal: Refusal) -> TtsQuotaExceeded:
    return TtsQuotaExceeded(
        f"The operator's account at the speech service lacks the credit or the plan for this ({refusal.named})."
    )


def _lasting_error(refusal: Refusal, voice_id: str, secret: str) -> EngineError:
    if _misses_voice(refusal):
        return voice_not_available(voice_id, refusal.named)
    if refusal.http_status == 402:
        return _quota(refusal)
    if refusal.codes & _LENGTH:
        return TextTooLong("The text is longer than the speech service's model takes at once. Shorten it.")
    if _is_the_callers(refusal):
        return TtsRejected(f"The speech service refuses the request ({refusal.named}){_quote(refusal, secret)}")
    return TtsMisconfigured(
        f"The speech service refuses this service's own key, plan or address ({refusal.named}). "
        "Its operator has to check ELEVENLABS_API_KEY, ELEVENLABS_BASE_URL and ELEVENLABS_OUTPUT_FORMAT."
    )


def _misses_voice(refusal: Refusal) -> bool:
    match refusal.http_status:
        case 402:
            return bool(refusal.codes & _PLAN) and refusal.concerns_voice
        case 404:
            return bool(refusal.codes) and refusal.concerns_voice
        case 400:
            return "voice_not_found" in refusal.codes
    return False


def _is_the_callers(refusal: Refusal) -> bool:
    if refusal.codes & _OPERATORS:
        return False
    # A proxy's page and a path that the service doesn't know are no answer to what the caller asked.
    return refusal.http_status in (400, 404, 413, 422) and bool(refusal.codes)


def _quote(refusal: Refusal, secret: str) -> str:
    quoted = " ".join(refusal.message.replace(secret, "***").split())[:_LONGEST_QUOTE]
    return f": {quoted}" if quoted else "."


def _is_code(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _validation_line(entry: object) -> str:
    if not isinstance(entry, dict):
        return ""
    place = entry.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where} {_text(entry.get('msg'))}".strip()
