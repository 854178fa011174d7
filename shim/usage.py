"""What every owner has used, by day: `python -m shim.usage [--days N] [--json]`, with the settings of the server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TextIO

from engine.errors import EngineError
from engine.ledger.usage import OwnersDay, Usage, day_folder, parse_day
from engine.store.choose import choose_store
from engine.store.protocol import ObjectStore
from shim.settings import read_shim_settings

_COLUMNS = ("day", "owner", *Usage.model_fields)


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO) -> int:
    """Print a table, or one JSON object a line, of the last days, the newest first. 2: nothing was read."""
    parser = argparse.ArgumentParser(prog="python -m shim.usage", description=__doc__)
    parser.add_argument("--days", type=int, default=30, metavar="N", help="how many, today among them (30)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args(arguments)
    today = datetime.now(UTC).date()
    try:
        store = choose_store(read_shim_settings(), environment)
        rows = [row for back in range(given.days) for row in _rows(store, today - timedelta(days=back))]
    except EngineError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    out.writelines(f"{json.dumps(row)}\n" for row in rows) if given.json else out.write(_table(rows))
    return 0


def _rows(store: ObjectStore, day: date) -> Iterator[dict[str, Any]]:
    """The owners of a day, by name."""
    for each in sorted(_days(store, day), key=lambda each: each.owner or ""):
        yield {"day": day.isoformat(), "owner": each.owner or "anybody", **each.usage.model_dump()}


def _days(store: ObjectStore, day: date) -> Iterator[OwnersDay]:
    for info in store.list(day_folder(day)):
        if (found := store.get(info.key)) is not None:
            yield parse_day(found)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [[str(row[name]) for name in _COLUMNS] for row in rows]
    widths = [max(len(line[column]) for line in [list(_COLUMNS), *lines]) for column in range(len(_COLUMNS))]
    return "".join(
        "  ".join(text.ljust(width) if column < 2 else text.rjust(width) for column, (text, width) in cells) + "\n"
        for cells in (enumerate(zip(line, widths, strict=True)) for line in [list(_COLUMNS), *lines])
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
