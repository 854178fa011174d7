from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError
from engine.lifetimes import Lifetimes
from engine.settings import Settings, read_settings
from tests.test_records import a_session

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LIFETIMES = Lifetimes(session=DAY, output=2 * DAY, upload=HOUR)
FOR_EVER = Lifetimes(None, None, None)


def test_the_settings_give_seconds_and_zero_is_for_ever() -> None:
    assert Lifetimes.of(Settings(session_ttl=60, output_ttl=0, upload_ttl=3600, stream_ttl=60)) == Lifetimes(
        timedelta(minutes=1), None, HOUR, timedelta(minutes=1)
    )
    assert Lifetimes.of(Settings()) == Lifetimes(DAY, DAY, DAY, HOUR)


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_TTL", "120")
    assert Lifetimes.of(read_settings()).session == timedelta(minutes=2)


@pytest.mark.parametrize("value", ["-1", "soon", "1e12", "99999999999"])
def test_a_lifetime_that_is_none_is_refused_by_name(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_TTL", value)
    with pytest.raises(ConfigurationError, match="SESSION_TTL") as refused:
        read_settings()
    assert value not in refused.value.message


def test_each_expires_after_its_own_time() -> None:
    assert LIFETIMES.session_expires_at(NOW) == NOW + DAY
    assert LIFETIMES.upload_expires_at(NOW) == NOW + HOUR
    assert LIFETIMES.output_expires_at(NOW, None) == NOW + 2 * DAY


def test_what_is_kept_for_ever_never_expires() -> None:
    assert FOR_EVER.session_expires_at(NOW) is None
    assert FOR_EVER.upload_expires_at(NOW) is None
    assert FOR_EVER.output_expires_at(NOW, None) is None
    assert FOR_EVER.renewed(NOW, NOW) is None
    assert not FOR_EVER.is_over(a_session().model_copy(update={"expires_at": NOW}), NOW + 1000 * DAY)


def test_an_output_ends_with_its_session() -> None:
    assert LIFETIMES.output_expires_at(NOW, NOW + HOUR) == NOW + HOUR
    assert LIFETIMES.output_expires_at(NOW, NOW + 9 * DAY) == NOW + 2 * DAY
    assert FOR_EVER.output_expires_at(NOW, NOW + HOUR) == NOW + HOUR


def test_a_session_is_over_at_the_moment_it_was_told_and_not_before() -> None:
    session = a_session().model_copy(update={"expires_at": NOW})
    assert not LIFETIMES.is_over(session, NOW - timedelta(microseconds=1))
    assert LIFETIMES.is_over(session, NOW)


def test_a_session_that_was_told_nothing_counts_from_its_last_change() -> None:
    session = a_session().model_copy(update={"updated": NOW})
    assert not LIFETIMES.is_over(session, NOW + DAY - timedelta(seconds=1))
    assert LIFETIMES.is_over(session, NOW + DAY)


def test_uses_in_quick_succession_renew_once() -> None:
    first = LIFETIMES.renewed(None, NOW)
    assert first == NOW + DAY
    assert LIFETIMES.renewed(first, NOW + timedelta(seconds=59)) == first
    assert LIFETIMES.renewed(first, NOW + timedelta(seconds=61)) == NOW + timedelta(seconds=61) + DAY


@given(
    lifetime=st.timedeltas(timedelta(seconds=1), timedelta(days=400)),
    left=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_a_used_session_has_nearly_its_whole_life_before_it(lifetime: timedelta, left: timedelta) -> None:
    expires_at = Lifetimes(lifetime, None, None).renewed(NOW + left, NOW)
    assert expires_at is not None
    assert expires_at >= NOW + lifetime * 0.9
    assert expires_at >= NOW + lifetime - timedelta(minutes=1)
    assert expires_at in (NOW + left, NOW + lifetime)
