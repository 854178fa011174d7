"""What a frame of MuseTalk's is drawn from: its sound as tokens, and how much of the mouth moves by it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.lipsync.renderer import Array, Listener
from engine.lipsync.silence import RestGate


@dataclass(frozen=True)
class HeardFrame:
    """One frame's sound: tokens [50, 384], and how much of the mouth is the network's, 1, or the avatar's own, 0."""

    tokens: Array
    speaks: float


class RestingListener:
    """``tokens``, a listener to a frame's tokens, which also says when the mouth rests."""

    def __init__(self, tokens: Listener, *, rests: bool) -> None:
        self._tokens = tokens
        self._gate = RestGate() if rests else None
        self._heard: deque[Array] = deque()
        self._shares: deque[float] = deque()

    def push(self, heard: NDArray[np.float32]) -> list[HeardFrame]:
        """As the protocol has it."""
        return self._joined(self._tokens.push(heard), self._gate.push(heard) if self._gate else None)

    def finish(self) -> list[HeardFrame]:
        """As the protocol has it."""
        return self._joined(self._tokens.finish(), self._gate.finish() if self._gate else None)

    def _joined(self, tokens: list[Array], shares: Iterable[float] | None) -> list[HeardFrame]:
        self._heard.extend(tokens)
        self._shares.extend([1.0] * len(tokens) if shares is None else shares)
        decided = min(len(self._heard), len(self._shares))
        return [HeardFrame(self._heard.popleft(), self._shares.popleft()) for _ in range(decided)]
