"""Replies that carry their video, for a worker whose store dies with it."""

from __future__ import annotations

import base64

from engine.errors import ResultTooLarge
from engine.schemas import Generated, InlineReply
from engine.store.protocol import ObjectStore

INLINE_CHARACTERS = 7_000_000
"""Most base64 in one reply; with the words beside it a result stays below what the queue delivers."""


def inline(generated: Generated, store: ObjectStore) -> InlineReply:
    """The reply with the video in it. Raises ResultTooLarge."""
    found = store.get(generated.video_key)
    if found is None or len(found.body) * 4 // 3 > INLINE_CHARACTERS:
        raise ResultTooLarge(
            "The video is too large for a reply. Speak a shorter text, use a smaller avatar, or give the service a "
            "bucket."
        )
    fields = {name: getattr(generated, name) for name in Generated.model_fields}
    return InlineReply(**fields, video_base64=base64.b64encode(found.body).decode())
