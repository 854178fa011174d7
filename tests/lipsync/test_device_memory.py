"""Where the device has no memory: what was made so far is let go, and what can be done with less is done."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.drawing.model_thread import ModelThread
from engine.lipsync.device_memory import on_device, with_room
from engine.lipsync.musetalk import MuseTalkLipSync
from engine.lipsync.musetalk_look import Look, MuseTalkEyes
from engine.lipsync.renderer import DeviceBroken, DeviceMemoryExhausted
from engine.outages import DeviceMemoryFull
from engine.timebase import HEARD_RATE
from tests.lipsync.tiny_musetalk import tiny_networks


@contextmanager
def scarce(network: nn.Module, fits: Callable[[int], bool]) -> Iterator[list[int]]:
    """``network`` finds no memory for batches that don't fit; gives the sizes of all that it was asked for."""
    sizes: list[int] = []

    def look(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        sizes.append(len(inputs[0]))
        if not fits(len(inputs[0])):
            raise torch.OutOfMemoryError

    hook = network.register_forward_pre_hook(look)
    try:
        yield sizes
    finally:
        hook.remove()


def looks(count: int) -> list[Look]:
    chance = np.random.default_rng(1)
    return [
        Look(
            chance.integers(0, 256, (256, 256, 3), dtype=np.uint8),
            chance.normal(0, 1, (3, 512, 512)).astype(np.float32),
        )
        for _ in range(count)
    ]


def test_an_attempt_that_fails_holds_nothing_of_what_it_made() -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def exhausting() -> None:
        large = torch.zeros(8)
        made.append(weakref.ref(large))
        raise torch.OutOfMemoryError

    with pytest.raises(DeviceMemoryExhausted) as caught, on_device():
        exhausting()
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    assert made[0]() is None


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
    ids=["kernel", "cublas", "cudnn"],
)
def test_a_failure_of_the_device_is_told_from_one_of_the_networks(error: RuntimeError) -> None:
    with pytest.raises(DeviceBroken), on_device():
        raise error
    with pytest.raises(RuntimeError, match="size of tensor"), on_device():
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")


def test_with_more_room_it_is_done_once_more() -> None:
    thread, room = ModelThread(), list[str]()

    def errand() -> str:
        if not room:
            raise torch.OutOfMemoryError
        return "done"

    assert with_room(thread, errand, lambda: room.append("made")) == "done"
    assert room == ["made"]
    assert not thread.worn


def test_without_it_the_error_may_be_tried_again_elsewhere_and_the_thread_is_worn() -> None:
    thread, tried = ModelThread(), list[int]()

    def errand() -> None:
        tried.append(1)
        raise torch.OutOfMemoryError

    with pytest.raises(DeviceMemoryFull) as caught:
        with_room(thread, errand, lambda: None)
    assert caught.value.retryable
    assert len(tried) == 2
    assert thread.worn


def test_the_preparation_sees_the_same_in_half_the_batch() -> None:
    networks, asked = tiny_networks(), looks(4)
    eyes, whole = (MuseTalkEyes(networks, ModelThread(), batch=4) for _ in range(2))
    wanted = whole.see(asked)
    # The encoder is given each frame twice: masked and whole.
    with scarce(networks.vae_encoder, lambda size: size <= 4) as sizes:
        seen = eyes.see(asked)
    assert sizes == [8, 4, 4]
    assert eyes.batch == 2
    assert (seen.classes == wanted.classes).all()
    assert np.abs(seen.latents.astype(np.float32) - wanted.latents).max() < 1e-2


def test_a_preparation_for_which_half_is_too_much_fails_for_now() -> None:
    networks, thread = tiny_networks(), ModelThread()
    eyes = MuseTalkEyes(networks, thread, batch=4)
    with scarce(networks.vae_encoder, lambda size: False), pytest.raises(DeviceMemoryFull):
        eyes.see(looks(4))
    assert thread.worn


def test_the_ear_makes_room_and_hears_once_more() -> None:
    networks, thread = tiny_networks(), ModelThread()
    listener = MuseTalkLipSync(networks, thread).listen(live=False)
    listener.push(np.zeros(HEARD_RATE, np.float32))
    tries = iter((False, True))
    with scarce(networks.whisper, lambda size: next(tries)) as sizes:
        assert len(listener.finish()) == 25
    assert sizes == [1, 1]
    assert not thread.worn
