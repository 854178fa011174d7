"""Dollars of modelled worker seconds, by one card's price."""

from __future__ import annotations

from bench.prices import Card
from bench.scaling.growth import ByLoad
from bench.scaling.measured import Measured
from bench.table import Table


def table(grown: ByLoad, card: Card, measured: Measured) -> Table:
    """The price a second times what is paid; the services' times are ``measured``'s, whatever that was measured on."""
    return Table(
        title=f"Dollars, at {card.dollars:.5f} a second: {card.title}",
        columns=("sessions an hour", "an hour", "a minute of video"),
        rows=tuple(
            (
                f"{load.sessions:,.0f}",
                f"{figures.paid / load.hours * card.dollars:.2f}",
                f"{60 * figures.cost * card.dollars:.4f}",
            )
            for load, figures in zip(grown.loads, grown.figures, strict=True)
        ),
        notes=(
            "Price times paid seconds, no more: they are this card's only if its own times were measured. These were "
            f"measured on: {'; '.join(measured.machine)}.",
        ),
    )
