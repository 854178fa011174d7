from __future__ import annotations

import pytest

from bench.machine import NO_GPU
from bench.prices import CARDS, Timings, billed, card_of, table


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA GeForce RTX 4090", "4090"),
        ("NVIDIA L4", "24 GB: L4, A5000, 3090"),
        ("NVIDIA L40S", "48 GB: L40, L40S, 6000 Ada"),
        ("NVIDIA RTX A4000", "16 GB: A4000, A4500, RTX 4000"),
        ("NVIDIA RTX 6000 Ada Generation", "48 GB: L40, L40S, 6000 Ada"),
    ],
)
def test_a_card_is_known_by_its_name(name: str, title: str) -> None:
    card = card_of(name)
    assert card is not None
    assert card.title == title


def test_an_unknown_card_has_no_price() -> None:
    assert card_of("NVIDIA L400") is None


def test_seconds_are_billed_whole() -> None:
    h100 = next(card for card in CARDS if card.title == "H100")
    assert billed(2.3, h100) == pytest.approx(3 * 0.00116)


def test_only_the_measured_card_has_costs() -> None:
    found = table(Timings("NVIDIA H100 80GB HBM3", start=8.5, preparation=1.2, clip=0.9, busy=0.1))
    rows = {row[0]: row[2:] for row in found.rows}
    assert rows["H100"] == ("0.01856", "0.00928", "0.00696", "0.00696")
    assert all(cell == NO_GPU for title, row in rows.items() if title != "H100" for cell in row)


def test_without_a_card_nothing_is_made_up() -> None:
    assert all(cell == NO_GPU for row in table(None).rows for cell in row[2:])
