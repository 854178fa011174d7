"""Budgets as they are configured, and what is refused at the start."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from shim.budgets.settings import Budget, budget_of
from shim.settings import ShimSettings, read_shim_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("BUDGETS", "TOTAL_BUDGET", "BLOCKED_AVATARS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_budgets_nothing_is_limited(environment: pytest.MonkeyPatch) -> None:
    settings = read_shim_settings()
    assert settings.total_budget is None
    assert budget_of(settings.budgets, "key:alice") is None
    environment.setenv("BUDGETS", " ")
    environment.setenv("TOTAL_BUDGET", "")
    assert read_shim_settings() == settings


def test_budgets_are_read_from_json(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BUDGETS", '{"alice": {"concurrent_jobs": 2, "gpu_seconds_per_day": 600}, "*": {}}')
    environment.setenv("TOTAL_BUDGET", '{"speech_characters_per_day": 20000}')
    settings = read_shim_settings()
    assert budget_of(settings.budgets, "key:alice") == Budget(concurrent_jobs=2, gpu_seconds_per_day=600)
    assert settings.total_budget == Budget(speech_characters_per_day=20_000)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("BUDGETS", '{"alice": {"concurrent_jobs": -1}}', r"BUDGETS\.ALICE\.CONCURRENT_JOBS"),
        ("BUDGETS", '{"alice": {"gpu_seconds_per_day": -0.5}}', r"BUDGETS\.ALICE\.GPU_SECONDS_PER_DAY"),
        ("BUDGETS", '{"alice": {"gpu_seconds_per_day": NaN}}', r"BUDGETS\.ALICE\.GPU_SECONDS_PER_DAY"),
        ("BUDGETS", '{"alice": {"speech_characters_per_day": 1.5}}', r"BUDGETS\.ALICE\.SPEECH_CHARACTERS_PER_DAY"),
        ("BUDGETS", '{"alice": {"speech_characters_per_day": "9"}}', r"BUDGETS\.ALICE\.SPEECH_CHARACTERS_PER_DAY"),
        ("BUDGETS", '{"alice": {"gpu_seconds": 1}}', r"BUDGETS\.ALICE\.GPU_SECONDS"),
        ("BUDGETS", '{"alice": 7}', r"BUDGETS\.ALICE"),
        ("BUDGETS", "[]", r"BUDGETS"),
        ("BUDGETS", '{"alice": ', r"BUDGETS: .*no JSON"),
        ("TOTAL_BUDGET", '{"concurrent_jobs": true}', r"TOTAL_BUDGET\.CONCURRENT_JOBS"),
        ("TOTAL_BUDGET", "7", r"TOTAL_BUDGET"),
        ("BLOCKED_AVATARS", "abc", r"BLOCKED_AVATARS: .*`abc` is no SHA-256"),
        ("BLOCKED_AVATARS", "@/nowhere/at/all", r"BLOCKED_AVATARS: .*can't be read"),
    ],
)
def test_what_is_wrong_is_named(environment: pytest.MonkeyPatch, variable: str, value: str, named: str) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=named):
        read_shim_settings()


def test_a_budget_is_found_by_the_whole_name_then_the_short_one_then_for_all_others() -> None:
    names = {name: Budget(concurrent_jobs=number) for number, name in enumerate(["*", "alice", "jwt:alice"])}

    def found(owner: str | None) -> int | None:
        budget = budget_of(names, owner)
        return None if budget is None else budget.concurrent_jobs

    assert [found(owner) for owner in (None, "key:bob", "key:alice", "jwt:alice")] == [0, 0, 1, 2]
    assert budget_of({"alice": Budget()}, None) is None


def test_settings_with_budgets_can_be_made_by_hand() -> None:
    assert ShimSettings(budgets={"*": Budget(concurrent_jobs=1)}).budgets["*"].concurrent_jobs == 1
