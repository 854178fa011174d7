"""Avatars' latents on the device: those that were drawn last, within a budget."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.lipsync.renderer import Array


@dataclass(frozen=True)
class _Kept:
    """``alive`` forgets the rows as soon as the array is gone."""

    rows: torch.Tensor
    alive: weakref.ref[Array]


class LatentsOnDevice:
    """Copies of whole arrays, as ``like`` is in device and type, up to ``budget`` bytes in all.

    An array is known by its identity, so its values must not change. Belongs to one thread, but arrays may end in any.
    """

    def __init__(self, like: torch.Tensor, budget: int) -> None:
        self._like = like
        self._budget = budget
        self._kept: dict[int, _Kept] = {}

    @property
    def held_bytes(self) -> int:
        return sum(kept.rows.nbytes for kept in list(self._kept.values()))

    def row(self, array: Array, index: int) -> torch.Tensor:
        """Row ``index`` of ``array`` on the device."""
        kept = self._kept.pop(id(array), None)
        if kept is None:
            if self._size(array) > self._budget:
                return self._placed(array[index])
            self._make_room(self._size(array))
            kept = _Kept(self._placed(array), weakref.ref(array, self._forgetting(id(array))))
        # Last in the order of use.
        self._kept[id(array)] = kept
        return kept.rows[index]

    def clear(self) -> None:
        """Forget every array; those that are drawn again are copied again."""
        self._kept.clear()

    def _size(self, array: Array) -> int:
        return int(array.size) * self._like.element_size()

    def _make_room(self, needed: int) -> None:
        while self._kept and self.held_bytes + needed > self._budget:
            self._kept.pop(next(iter(self._kept)), None)

    def _placed(self, array: Array) -> torch.Tensor:
        return torch.tensor(array).to(self._like)

    def _forgetting(self, key: int) -> Callable[[weakref.ref[Array]], None]:
        def forget(_: weakref.ref[Array]) -> None:
            self._kept.pop(key, None)

        return forget
