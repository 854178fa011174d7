from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from engine.lipsync.face_box import BoxRules
from engine.lipsync.face_mask import MaskRules, ParsingMode
from engine.lipsync.options import PreparationOptions


def test_the_defaults_are_those_of_boxes_and_masks() -> None:
    options, mask = PreparationOptions(), MaskRules()
    assert options.extra_margin == BoxRules(2, 2).extra_margin
    assert (options.left_cheek_width, options.right_cheek_width) == (mask.left_cheek_width, mask.right_cheek_width)
    assert options.parsing_mode == mask.mode


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        PreparationOptions.model_validate({"zoom": 2})


def test_every_mode_of_the_masks_can_be_chosen() -> None:
    for mode in get_args(ParsingMode):
        assert PreparationOptions.model_validate({"parsing_mode": mode}).parsing_mode == mode


def test_only_what_differs_from_the_defaults_is_chosen() -> None:
    options = PreparationOptions(extra_margin=10, parsing_mode="neck", left_cheek_width=0)
    assert options.chosen() == {"parsing_mode": "neck", "left_cheek_width": 0}
    assert options.unheeded({"parsing_mode"}) == ("left_cheek_width",)
    assert options.unheeded({"parsing_mode", "left_cheek_width"}) == ()


def test_options_are_picked_by_name() -> None:
    assert PreparationOptions(extra_margin=3).only({"extra_margin"}) == {"extra_margin": 3}
    assert PreparationOptions(extra_margin=3).only(frozenset()) == {}
