"""How the stand-in can answer a request, and what its refusals look like."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Behaviour(StrEnum):
    """How one request is answered."""

    GOOD = "good"
    SMALL_WRITES = "small_writes"
    ODD_LINES = "odd_lines"
    SLOW = "slow"
    ON_COMMAND = "on_command"
    STALL = "stall"
    HANG = "hang"
    CUT_AT_ONCE = "cut_at_once"
    CUT_MID_STREAM = "cut_mid_stream"
    TRUNCATED_BASE64 = "truncated_base64"
    MALFORMED_LINE = "malformed_line"
    LATE_MALFORMED_LINE = "late_malformed_line"
    UNEQUAL_ALIGNMENT = "unequal_alignment"
    ODD_PCM = "odd_pcm"
    NO_SOUND = "no_sound"
    LATE_TIMES = "late_times"
    HTML_200 = "html_200"
    INVALID_KEY = "invalid_key"
    UNUSUAL_ACTIVITY = "unusual_activity"
    OLD_QUOTA = "old_quota"
    NO_CREDITS = "no_credits"
    PAID_VOICE = "paid_voice"
    PAID_FORMAT = "paid_format"
    FORBIDDEN_FORMAT = "forbidden_format"
    VOICE_NOT_FOUND = "voice_not_found"
    OLD_VOICE_NOT_FOUND = "old_voice_not_found"
    UNKNOWN_PATH = "unknown_path"
    TEXT_TOO_LONG = "text_too_long"
    UNSUPPORTED_MODEL = "unsupported_model"
    ECHOED_KEY = "echoed_key"
    VALIDATION = "validation"
    TOO_MANY_CONCURRENT = "too_many_concurrent"
    SYSTEM_BUSY = "system_busy"
    RATE_LIMIT = "rate_limit"
    PLAIN_429 = "plain_429"
    SERVER_ERROR = "server_error"
    HTML_502 = "html_502"
    HTML_403 = "html_403"
    REDIRECT = "redirect"


def _today(kind: str, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    detail = {"type": kind, "code": code, "message": message, "status": code, "request_id": "r-1"}
    return {"detail": detail | ({"param": param} if param else {})}


def older(status: str, message: str) -> dict[str, Any]:
    """The second of the five shapes."""
    return {"detail": {"status": status, "message": message}}


_HTML = "<html><body><h1>Something stands between</h1></body></html>"
REFUSALS: dict[Behaviour, tuple[int, dict[str, Any] | str]] = {
    Behaviour.INVALID_KEY: (401, _today("authentication_error", "invalid_api_key", "Invalid API key")),
    Behaviour.UNUSUAL_ACTIVITY: (401, older("detected_unusual_activity", "Unusual activity detected.")),
    Behaviour.OLD_QUOTA: (401, older("quota_exceeded", "You have 3 credits remaining, 90 are required.")),
    Behaviour.NO_CREDITS: (402, _today("payment_required", "insufficient_credits", "Not enough credits")),
    Behaviour.PAID_VOICE: (402, _today("payment_required", "paid_plan_required", "This voice needs a paid plan.")),
    Behaviour.PAID_FORMAT: (402, _today("payment_required", "paid_plan_required", "This format needs a paid plan.")),
    Behaviour.FORBIDDEN_FORMAT: (403, older("only_for_creator+", "This output format is for Creator and above.")),
    Behaviour.VOICE_NOT_FOUND: (404, _today("not_found", "voice_not_found", "No such voice", "voice_id")),
    Behaviour.OLD_VOICE_NOT_FOUND: (400, older("voice_not_found", "A voice with that id was not found.")),
    Behaviour.UNKNOWN_PATH: (404, {"detail": "Not Found"}),
    Behaviour.TEXT_TOO_LONG: (400, older("max_character_limit_exceeded", "The text is too long.")),
    Behaviour.UNSUPPORTED_MODEL: (400, _today("validation_error", "unsupported_model", "No model of that name")),
    Behaviour.VALIDATION: (
        422,
        {"detail": [{"loc": ["body", "voice_settings", "speed"], "msg": "too fast", "type": "value_error"}]},
    ),
    Behaviour.TOO_MANY_CONCURRENT: (429, _today("rate_limit_error", "concurrent_limit_exceeded", "Too many at once")),
    Behaviour.SYSTEM_BUSY: (429, older("system_busy", "The system is busy.")),
    Behaviour.RATE_LIMIT: (429, _today("rate_limit_error", "rate_limit_exceeded", "Slow down")),
    Behaviour.PLAIN_429: (429, ""),
    Behaviour.SERVER_ERROR: (500, _today("server_error", "internal_error", "Something went wrong")),
    Behaviour.HTML_502: (502, _HTML),
    Behaviour.HTML_403: (403, _HTML),
    Behaviour.HTML_200: (200, _HTML),
    Behaviour.REDIRECT: (307, ""),
}
