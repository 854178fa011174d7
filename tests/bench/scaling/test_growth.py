"""The model's tables, with made-up times."""

from __future__ import annotations

import pytest

from bench.prices import card_of
from bench.scaling import burden, dollars, settings_sweep
from bench.scaling.growth import by_load, by_workers, load_of
from bench.scaling.load import Load
from bench.scaling.modelled import Model
from bench.scaling.rule import Rule
from bench.table import Table
from tests.bench.scaling.measured_times import measured

MODEL = Model(measured())


def _column(table: Table, name: str) -> list[float]:
    place = table.columns.index(name)
    return [float(row[place].replace(",", "")) for row in table.rows]


def test_with_more_workers_jobs_wait_less_and_more_is_paid() -> None:
    table = by_workers(MODEL, Load(sessions=900, hours=1), Rule(), workers=(1, 2, 5)).table()
    assert _column(table, "workers at most") == [1, 2, 5]
    waited, paid = _column(table, "p95"), _column(table, "worker s a video s")
    assert waited == sorted(waited, reverse=True)
    assert paid == sorted(paid)
    assert _column(table, "has work %")[0] == 100
    assert all(mean <= most for mean, most in zip(_column(table, "workers on average"), (1, 2, 5), strict=True))


def test_a_load_has_a_thousand_sessions_and_two_hours_at_least() -> None:
    assert [load_of(sessions).hours for sessions in (100, 500, 10_000)] == [10, 2, 2]


def test_with_the_load_grow_the_workers_and_what_others_must_bear() -> None:
    grown = by_load(MODEL, Rule(), sessions=(100, 1000))
    few, many = grown.figures
    assert many.mean_workers > 5 * few.mean_workers
    assert many.cost < few.cost
    borne = burden.table(grown, MODEL.measured)
    assert _column(borne, "requests/s") == [pytest.approx(10 * each.jobs / each.span, abs=0.06) for each in (few, many)]
    assert all(
        more > plain for more, plain in zip(_column(borne, "all streamed"), _column(borne, "requests/s"), strict=True)
    )
    at_once = [_column(borne, f"at once, {seconds:g} s each")[1] for seconds in burden.PURCHASE_SECONDS]
    assert at_once == sorted(at_once)
    assert at_once[-1] > _column(borne, "purchases/s")[1] * burden.PURCHASE_SECONDS[-1]


def test_dollars_are_the_price_times_the_paid_seconds() -> None:
    card = card_of("NVIDIA GeForce RTX 4090")
    assert card is not None
    grown = by_load(MODEL, Rule(), sessions=(200,))
    (figures,) = grown.figures
    table = dollars.table(grown, card, MODEL.measured)
    assert _column(table, "an hour") == [pytest.approx(figures.paid / 5 * 0.00031, abs=0.005)]
    assert _column(table, "a minute of video") == [pytest.approx(60 * figures.cost * 0.00031, abs=0.00005)]
    assert "4090" in table.title
    assert "machine: made up; GPU: none" in table.notes[0]


def test_one_setting_is_turned_and_the_others_stay() -> None:
    found = settings_sweep.turned(MODEL, Rule(most=9), {"idle": (60,)})
    assert [each.few for each in found] == [MODEL.figures(load_of(100), Rule(most=9, idle=60))]
    table = settings_sweep.alone(found, Rule(most=9))
    assert [row[:2] for row in table.rows] == [("idle timeout, s", "60")]
    assert "workers at most 9" in table.notes[0]
