"""What the stand-in's account holds: its voices in pages, its models and its plan, as the service tells of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GEORGE, RACHEL, PAID, SHARED, HIDDEN = (
    "JBFqnCBsd6RMkjVDRZzb",
    "21m00Tcm4TlvDq8ikWAM",
    "voiceOfThePaidPlans1",
    "voiceOfTheLibrary001",
    "voiceThatIsNotListed",
)


def voice(voice_id: str, name: str, **fields: Any) -> dict[str, Any]:
    """A voice with what the service says of every one."""
    return {
        "voice_id": voice_id,
        "name": name,
        "samples": None,
        "category": "premade",
        "fine_tuning": {"is_allowed_to_fine_tune": False, "state": {}},
        "labels": {"accent": "american", "gender": "female", "age": "young", "language": "en", "use_case": None},
        "description": None,
        "preview_url": f"https://storage.example/{voice_id}.mp3",
        "available_for_tiers": [],
        "settings": None,
        "sharing": None,
        "high_quality_base_model_ids": ["eleven_multilingual_v2"],
        "verified_languages": None,
        "is_owner": False,
        "is_legacy": False,
        **fields,
    }


def model(model_id: str, **fields: Any) -> dict[str, Any]:
    """A model with what the service says of every one."""
    return {
        "model_id": model_id,
        "name": model_id.replace("_", " ").title(),
        "can_be_finetuned": True,
        "can_do_text_to_speech": True,
        "can_do_voice_conversion": False,
        "can_use_style": True,
        "can_use_speaker_boost": True,
        "serves_pro_voices": False,
        "token_cost_factor": 1.0,
        "description": "A model.",
        "requires_alpha_access": False,
        "max_characters_request_free_user": 2_500,
        "max_characters_request_subscribed_user": 5_000,
        "maximum_text_length_per_request": 10_000,
        "languages": [{"language_id": "en", "name": "English"}, {"language_id": "de", "name": "German"}],
        "model_rates": {"character_cost_multiplier": 1.0},
        "concurrency_group": "standard",
        **fields,
    }


def _voices() -> list[dict[str, Any]]:
    spoken = [{"language": "en", "model_id": "m"}, {"language": "fr", "model_id": "m"}, {"language": "en"}]
    return [
        voice(GEORGE, "George", verified_languages=spoken, description="Warm."),
        voice(RACHEL, "Rachel"),
        voice(PAID, "Pat", available_for_tiers=["creator", "pro"]),
        voice(SHARED, "Lib", sharing={"status": "copied", "free_users_allowed": False}),
    ]


def _models() -> list[dict[str, Any]]:
    return [
        model("eleven_multilingual_v2"),
        model("eleven_next", requires_alpha_access=True),
        model("eleven_sts_v2", can_do_text_to_speech=False),
    ]


@dataclass
class Account:
    """What can be asked of it, two voices a page. ``tier``: None for a key that may not read the plan."""

    tier: str | None = "starter"
    voices: list[dict[str, Any]] = field(default_factory=_voices)
    unlisted: list[dict[str, Any]] = field(default_factory=lambda: [voice(HIDDEN, "Hid")])
    models: list[dict[str, Any]] = field(default_factory=_models)

    def reply(self, path: str, asked: dict[str, str]) -> tuple[int, Any]:
        """Status and body."""
        if path == "/v2/voices":
            return 200, self._page(int(asked.get("next_page_token", "0")))
        if path == "/v1/models":
            return 200, self.models
        if path == "/v1/user/subscription":
            return (200, {"tier": self.tier, "status": "active"}) if self.tier else _refused("user_read")
        named = [known for known in self.voices + self.unlisted if path == f"/v1/voices/{known['voice_id']}"]
        return (200, named[0]) if named else _not_found()

    def _page(self, first: int) -> dict[str, Any]:
        more = len(self.voices) > first + 2
        token = str(first + 2) if more else None
        return {"voices": self.voices[first : first + 2], "has_more": more, "next_page_token": token}


def _refused(permission: str) -> tuple[int, Any]:
    message = f"The API key you used is missing the permission {permission} to execute this operation."
    return 401, {"detail": {"status": "missing_permissions", "message": message}}


def _not_found() -> tuple[int, Any]:
    return 400, {"detail": {"status": "voice_not_found", "message": "A voice with that id was not found."}}
