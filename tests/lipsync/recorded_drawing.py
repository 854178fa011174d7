"""A lip sync that keeps what another one draws, to be looked at before it is encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from engine.lipsync.renderer import Array, Drawing, Finish, LipSync, Listener, Shot
from engine.video.compose import Alpha, compose
from engine.video.i420 import I420


@dataclass
class RecordedDrawing:
    """Draws with ``lipsync``; ``shots`` and ``crops`` are all that was finished, in order."""

    lipsync: LipSync
    shots: list[Shot] = field(default_factory=list)
    crops: list[I420] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.lipsync.name

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return self.lipsync.batch_sizes

    def listen(self, *, live: bool) -> Listener:
        return self.lipsync.listen(live=live)

    def begin(self, shots: Sequence[Shot]) -> Drawing:
        return _Recorded(self.lipsync.begin(shots), shots, self._keep)

    def relieve(self) -> None:
        self.lipsync.relieve()

    def warm(self) -> None:
        self.lipsync.warm()

    def _keep(self, shot: Shot, crop: I420) -> I420:
        self.shots.append(shot)
        self.crops.append(crop)
        return crop

    def composed(self, number: int) -> I420:
        """Frame ``number`` of the video, as it goes to the encoder."""
        shot = self.shots[number]
        box = shot.track.box(shot.index)
        assert box is not None
        return compose(shot.frame, self.crops[number], box, Alpha.of(shot.track.mask(shot.index)))


@dataclass(frozen=True)
class _Recorded:
    drawing: Drawing
    shots: Sequence[Shot]
    keep: Callable[[Shot, I420], I420]

    def wait(self) -> list[Finish]:
        return [partial(self._finished, *both) for both in zip(self.shots, self.drawing.wait(), strict=True)]

    def _finished(self, shot: Shot, finish: Finish) -> I420:
        return self.keep(shot, finish())


def drawn(lipsync: LipSync, shots: Sequence[Shot]) -> list[I420]:
    """The pictures of the shots' boxes, drawn in batches as large as they may be."""
    size = lipsync.batch_sizes[-1]
    batches = [shots[start : start + size] for start in range(0, len(shots), size)]
    return [finish() for batch in batches for finish in lipsync.begin(batch).wait()]


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
