"""What of a caller's text can be spoken."""

from __future__ import annotations

import unicodedata

from engine.errors import InvalidText, TextTooLong

_ALLOWED_CONTROLS = frozenset("\n\t\r")


def spoken_text(text: str, limit: int) -> str:
    """The text as it goes to a voice: composed (Unicode NFC) and without white space at its ends.

    Raises TextTooLong beyond ``limit`` characters, and InvalidText for a text that ``speakable_text`` refuses.
    """
    spoken = speakable_text(text)
    if len(spoken) > limit:
        raise TextTooLong(f"The text has {len(spoken)} characters; at most {limit} can be spoken. Shorten it.")
    return spoken


def speakable_text(text: str) -> str:
    """As ``spoken_text``, for any length.

    Raises InvalidText for an empty text, for control characters other than line ends and tabs, for half a
    surrogate pair, and for a text with neither a letter nor a digit.
    """
    if not text.strip():
        raise InvalidText("The text is empty. Send the words to speak.")
    _refuse_unspeakable_characters(text)
    if not has_speech(text):
        raise InvalidText("The text holds nothing that can be spoken: it has no letter and no digit.")
    return unicodedata.normalize("NFC", text).strip()


def has_speech(text: str) -> bool:
    """Whether a letter or a digit of any script is in the text."""
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def _refuse_unspeakable_characters(text: str) -> None:
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cs":
            raise InvalidText(f"The text has half of a surrogate pair at position {position}. Send valid Unicode.")
        if category == "Cc" and character not in _ALLOWED_CONTROLS:
            raise InvalidText(
                f"The text has the control character U+{ord(character):04X} at position {position}. Remove it."
            )
