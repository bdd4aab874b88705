"""CSV for spreadsheets: a row an exchange, with the columns of `Capture.frame()`.

Law: export only, since a table has no place for bytes. A cell that a spreadsheet would take for a formula is led by an
apostrophe, and what acts on a terminal is written as an escape.
"""

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

import pandas as pd

from qqlab.capture.frame import bounded_frame
from qqlab.exchange import Exchange
from qqlab.formats.tally import Tally
from qqlab.spec import Spec
from qqlab.visible import csv_safe, visible

# Columns for names that the spec does not have.
MOST_FOREIGN = 1_000


def write(file: BinaryIO, exchanges: Iterable[Exchange], spec: Spec, tally: Tally) -> None:
    """A table of the exchanges, UTF-8 with the mark that spreadsheets know it by."""
    table, beyond = bounded_frame(exchanges, spec, MOST_FOREIGN)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    try:
        rows = csv.writer(text)
        rows.writerow([table.index.name, *map(cell, table.columns)])
        for key, *values in table.itertuples(name=None):
            rows.writerow([cell(key), *map(cell, values)])
    finally:
        text.detach()
    tally.add("exchange", "without heads, and of each message only the first of doubled fields", len(table))
    tally.add("field", f"of names beyond the first {MOST_FOREIGN:,} that the spec does not have", beyond)


def cell(value: object) -> str | int | float:
    """A value as a table shows it: numbers as they are, nothing for a missing one, text that is no formula."""
    if isinstance(value, tuple | list):
        return _harmless(",".join("" if item is None else str(item) for item in value))
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, int | float):
        return value
    return _harmless(value.isoformat() if isinstance(value, pd.Timestamp) else str(value))


def _harmless(text: str) -> str:
    return visible(csv_safe(text))
