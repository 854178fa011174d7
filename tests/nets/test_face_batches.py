"""Batches through the painter on the CPU: what the GPU's runner shares with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from engine.nets.face_batches import Array, ComingFaces, EagerRunner, FaceBatches, Inputs, Paint, Run
from engine.nets.face_painter import Painted

FACE, SOUND = (8, 4, 4), (50, 6)


def marks(latents: torch.Tensor, tokens: torch.Tensor) -> Painted:
    """Pictures of the first latent and the first token; one of no numbers where the latent is none."""
    first = latents[:, 0, 0, 0]
    levels = torch.stack([first.nan_to_num(), tokens[:, 0, 0], torch.full_like(first, len(latents))], dim=1)
    pictures = levels.to(torch.uint8)[:, None, None, :].expand(-1, 4, 4, 3).contiguous()
    return Painted(pictures, first.isfinite())


def inverted(latents: torch.Tensor, tokens: torch.Tensor) -> Painted:
    painted = marks(latents, tokens)
    return Painted(255 - painted.pictures, painted.finite)


def batches(sizes: tuple[int, ...] = (1, 2, 4), paint: Paint = marks) -> FaceBatches:
    return FaceBatches(sizes, Inputs.blank(sizes[-1], FACE, SOUND, torch.zeros(1)), EagerRunner(), paint)


def latents(*values: float) -> list[torch.Tensor]:
    return [torch.full(FACE, value) for value in values]


def tokens(*values: float) -> list[Array]:
    return [np.full(SOUND, value, np.float16) for value in values]


def shown(coming: ComingFaces) -> list[list[int]]:
    """The first pixel of each picture."""
    return [[int(level) for level in picture[0, 0]] for picture in coming.wait().pictures]


@pytest.mark.parametrize(("count", "filled_to"), [(1, 1), (2, 2), (3, 4), (4, 4)])
def test_a_batch_is_filled_up_to_the_next_size(count: int, filled_to: int) -> None:
    values = list(range(10, 10 + count))
    coming = batches().start(latents(*values), tokens(*(value + 100 for value in values)))
    assert shown(coming) == [[value, value + 100, filled_to] for value in values]
    assert coming.wait().finite.tolist() == [True] * count


def test_a_batch_stays_as_it_is_while_the_next_ones_are_painted() -> None:
    made = batches()
    first = made.start(latents(1, 2, 3, 4), tokens(5, 6, 7, 8))
    second = made.start(latents(11, 12), tokens(15, 16))
    third = made.start(latents(21, 22, 23, 24), tokens(25, 26, 27, 28))
    assert shown(third)[0] == [21, 25, 4]
    assert shown(second) == [[11, 15, 2], [12, 16, 2]]
    assert shown(first) == [[1, 5, 4], [2, 6, 4], [3, 7, 4], [4, 8, 4]]


def test_what_an_earlier_batch_left_reaches_no_picture() -> None:
    made = batches()
    made.start(latents(1, 2, 3, float("nan")), tokens(1, 2, 3, 4)).wait()
    coming = made.start(latents(7, 8, 9), tokens(1, 1, 1))
    assert coming.wait().finite.tolist() == [True] * 3
    assert [row[0] for row in shown(coming)] == [7, 8, 9]


def test_one_size_after_another_is_painted_in_another_way() -> None:
    made = batches()
    assert shown(made.start(latents(1, 2), tokens(3, 4))) == [[1, 3, 2], [2, 4, 2]]
    made.paint_with(inverted, 2)
    assert shown(made.start(latents(1, 2), tokens(3, 4))) == [[254, 252, 253], [253, 251, 253]]
    assert shown(made.start(latents(1), tokens(3))) == [[1, 3, 1]]


def failing(latents: torch.Tensor, tokens: torch.Tensor) -> Painted:
    raise RuntimeError("it can't be compiled")


def test_a_way_that_fails_takes_no_others_place() -> None:
    made = batches()
    with pytest.raises(RuntimeError, match="can't be compiled"):
        made.paint_with(failing, 2)
    assert shown(made.start(latents(1, 2), tokens(3, 4))) == [[1, 3, 2], [2, 4, 2]]


@dataclass
class CountingRunner(EagerRunner):
    """Remembers what was made ready."""

    sizes: list[int] = field(default_factory=list)

    def ready(self, paint: Paint, latents: torch.Tensor, tokens: torch.Tensor) -> Run:
        self.sizes.append(len(latents))
        return super().ready(paint, latents, tokens)


def test_each_size_is_made_ready_once_on_the_same_memory() -> None:
    runner = CountingRunner()
    made = FaceBatches((1, 2, 4), Inputs.blank(4, FACE, SOUND, torch.zeros(1)), runner, marks)
    for count in (3, 4, 1, 2, 4, 1):
        made.start(latents(*range(count)), tokens(*range(count))).wait()
    assert runner.sizes == [4, 1, 2]
