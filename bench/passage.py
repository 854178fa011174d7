"""Words to speak, as long as wanted."""

from __future__ import annotations

from itertools import accumulate, cycle

CHARACTERS_A_SECOND = 17.5
"""About how fast the keyless voice speaks the passage, its pauses included."""

PASSAGE = (
    "The harbour was quiet that morning, and the boats lay side by side with their sails tied down.",
    "A woman with a red scarf came along the wall, counting the steps as she always did.",
    "Why did the bell ring twice?",
    "Nobody could say; the keeper had gone inland on Thursday, and the door was locked.",
    "She put her hand on the rail, looked out over the water, and began to laugh.",
    "By noon the wind had turned, forty small waves ran up the beach, and everything moved again.",
)


def text_of(seconds: float) -> str:
    """Whole sentences of the passage, again and again, for about so long; at least one."""
    sentences = cycle(PASSAGE)
    lengths = accumulate(len(sentence) + 1 for sentence in cycle(PASSAGE))
    wanted = seconds * CHARACTERS_A_SECOND
    count = 1 + next(index for index, length in enumerate(lengths) if length >= wanted)
    return " ".join(next(sentences) for _ in range(count))
