"""The settings of budgets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

OTHERS = "*"
"""Whoever has no budget by name: each has this one for itself."""


class Budget(BaseModel):
    """What may be spent; what isn't given has no limit. Days are those of UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    concurrent_jobs: int | None = Field(
        None, ge=0, description="Videos being made, or waiting for their turn, at the same time."
    )
    gpu_seconds_per_day: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Of the GPU's time; the video that goes beyond is still made."
    )
    speech_characters_per_day: int | None = Field(None, ge=0, description="Of text that is spoken.")


class BudgetSettings(BaseSettings):
    """What callers may spend, each and together."""

    budgets: Annotated[Mapping[str, Budget], NoDecode] = Field(
        {},
        description='What each key may spend, as JSON: `{"alice": {"concurrent_jobs": 2, "gpu_seconds_per_day": 600, '
        '"speech_characters_per_day": 20000}, "*": {...}}`. Names are those of keys, or the `sub` of tokens; `*` is '
        "for each of all others.",
    )
    total_budget: Annotated[Budget | None, NoDecode] = Field(
        None, description="What all callers together may spend, as JSON with the fields of one of `BUDGETS`."
    )

    @field_validator("budgets", mode="before")
    @classmethod
    def _parsed_budgets(cls, value: object) -> object:
        return _parsed(value, {}) if isinstance(value, str) else value

    @field_validator("total_budget", mode="before")
    @classmethod
    def _parsed_budget(cls, value: object) -> object:
        return _parsed(value, None) if isinstance(value, str) else value


def budget_of(budgets: Mapping[str, Budget], owner: str | None) -> Budget | None:
    """The budget of an owner, by its whole name, such as `key:alice`, or what a key or token calls it; None: no limit.

    Where everybody is let in there is one owner, None, which has that of all others.
    """
    whole = owner or OTHERS
    _, _, name = whole.partition(":")
    return next((budgets[each] for each in (whole, name, OTHERS) if each in budgets), None)


def _parsed(text: str, blank: object) -> object:
    try:
        return json.loads(text) if text.strip() else blank
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
