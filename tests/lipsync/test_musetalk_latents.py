"""What is kept of avatars on the device, here the CPU."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from engine.lipsync.musetalk_latents import LatentsOnDevice
from engine.lipsync.renderer import Array

ROWS = 4
BYTES = ROWS * 8 * 2 * 2 * 4
"""Of one avatar in float32."""


def avatar(value: float, rows: int = ROWS) -> Array:
    latents = np.full((rows, 8, 2, 2), value, np.float16)
    latents += np.arange(rows, dtype=np.float16)[:, None, None, None]
    latents.setflags(write=False)
    return latents


def kept(budget: int) -> LatentsOnDevice:
    return LatentsOnDevice(torch.zeros(1), budget)


def test_a_row_is_the_arrays_in_the_devices_type() -> None:
    latents, one = kept(10 * BYTES), avatar(0.5)
    for index in (0, 3, 1):
        row = latents.row(one, index)
        assert row.dtype == torch.float32
        assert torch.equal(row, torch.full((8, 2, 2), 0.5 + index))


def test_an_array_is_copied_once() -> None:
    latents, one = kept(10 * BYTES), avatar(1)
    assert latents.row(one, 0).data_ptr() == latents.row(one, 0).data_ptr()
    assert latents.held_bytes == BYTES
    twin = avatar(1)
    latents.row(twin, 0)
    assert latents.held_bytes == 2 * BYTES


def test_the_one_drawn_longest_ago_goes_first() -> None:
    latents, avatars = kept(2 * BYTES), [avatar(value) for value in (10, 20, 30)]
    places = [latents.row(avatars[which], 0) for which in (0, 1)]
    latents.row(avatars[0], 1)
    latents.row(avatars[2], 0)
    assert latents.held_bytes == 2 * BYTES
    assert latents.row(avatars[0], 0).data_ptr() == places[0].data_ptr()
    assert latents.row(avatars[1], 0).data_ptr() != places[1].data_ptr()
    assert float(latents.row(avatars[1], 2)[0, 0, 0]) == 22


@pytest.mark.parametrize("budget", [0, BYTES - 1])
def test_an_array_beyond_the_budget_is_read_row_by_row(budget: int) -> None:
    latents, one = kept(budget), avatar(3)
    assert [float(latents.row(one, index)[0, 0, 0]) for index in range(ROWS)] == [3, 4, 5, 6]
    assert latents.held_bytes == 0


def test_what_belongs_to_a_closed_avatar_goes_with_it() -> None:
    latents, one = kept(10 * BYTES), avatar(1)
    latents.row(one, 0)
    del one
    gc.collect()
    assert latents.held_bytes == 0


def test_hundreds_of_avatars_take_no_more_than_the_budget() -> None:
    latents = kept(3 * BYTES)
    alive: list[Array] = []
    for value in range(300):
        alive = [*alive[-5:], avatar(value)]
        assert [float(latents.row(one, 0)[0, 0, 0]) for one in alive] == list(range(max(0, value - 5), value + 1))
        assert latents.held_bytes <= 3 * BYTES


def test_all_of_it_can_be_given_back() -> None:
    latents, one = kept(10 * BYTES), avatar(7)
    latents.row(one, 0)
    latents.clear()
    assert latents.held_bytes == 0
    assert float(latents.row(one, 1)[0, 0, 0]) == 8
