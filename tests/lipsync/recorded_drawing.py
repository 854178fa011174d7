"""A lip sync that keeps what another one draws, to be looked at before it is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.lipsync.renderer import Array, LipSync, Listener, Shot
from engine.video.compose import Alpha, compose
from engine.video.i420 import I420


@dataclass
class RecordedDrawing:
    """Draws with ``lipsync``; ``shots`` and ``crops`` are all that it drew, in order."""

    lipsync: LipSync
    shots: list[Shot] = field(default_factory=list)
    crops: list[I420] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.lipsync.name

    def listen(self) -> Listener:
        return self.lipsync.listen()

    def draw(self, shots: Sequence[Shot]) -> list[I420]:
        crops = self.lipsync.draw(shots)
        self.shots += shots
        self.crops += crops
        return crops

    def warm(self) -> None:
        self.lipsync.warm()

    def composed(self, number: int) -> I420:
        """Frame ``number`` of the video, as it goes to the encoder."""
        shot = self.shots[number]
        box = shot.track.box(shot.index)
        assert box is not None
        return compose(shot.frame, self.crops[number], box, Alpha.of(shot.track.mask(shot.index)))


def whole_mask(shot: Shot) -> Array:
    """The shot's mask in the whole frame: uint8 (H, W)."""
    box = shot.track.box(shot.index)
    assert box is not None
    mask = np.zeros((shot.frame.height, shot.frame.width), np.uint8)
    mask[box.top : box.bottom, box.left : box.right] = shot.track.mask(shot.index)
    return mask


def assert_untouched_outside_the_mask(before: I420, after: I420, mask: Array) -> None:
    """Exactly: a colour sample counts as outside where its four pixels are."""
    outside = mask == 0
    assert (after.y[outside] == before.y[outside]).all()
    height, width = mask.shape
    around = mask.reshape(height // 2, 2, width // 2, 2).max((1, 3)) == 0
    assert (after.u[around] == before.u[around]).all()
    assert (after.v[around] == before.v[around]).all()
