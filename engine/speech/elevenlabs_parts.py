"""A text of any length as requests that an ElevenLabs model takes."""

from __future__ import annotations

from dataclasses import dataclass

from engine.speech.sentences import pack_sentences

_CHARACTER_LIMITS = {
    "eleven_v3": 3_000,
    "eleven_multilingual_v2": 10_000,
    "eleven_turbo_v2_5": 40_000,
    "eleven_flash_v2_5": 40_000,
    "eleven_turbo_v2": 30_000,
    "eleven_flash_v2": 30_000,
}
_SMALLEST_LIMIT = min(_CHARACTER_LIMITS.values())
_WITHOUT_CONTEXT = frozenset({"eleven_v3"})
_CONTEXT_CHARACTERS = 300


@dataclass(frozen=True)
class Part:
    """What one request says, and the text around it that helps the voice keep its tone."""

    text: str
    previous_text: str | None = None
    next_text: str | None = None


def parts_of(text: str, model_id: str) -> tuple[Part, ...]:
    """The text cut at sentences within the model's limit; a model of unknown limits gets the smallest, no context."""
    texts = pack_sentences(text, _CHARACTER_LIMITS.get(model_id, _SMALLEST_LIMIT))
    if model_id in _WITHOUT_CONTEXT or model_id not in _CHARACTER_LIMITS:
        return tuple(map(Part, texts))
    before = [None, *(said[-_CONTEXT_CHARACTERS:] for said in texts[:-1])]
    after = [*(said[:_CONTEXT_CHARACTERS] for said in texts[1:]), None]
    return tuple(map(Part, texts, before, after))
