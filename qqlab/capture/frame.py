"""A pandas frame of exchanges, typed by the spec and not by guessing.

Law: identifiers stay text (a version 1.10 is not 1.1, an account is no number), missing stays missing. Columns:

| column | dtype | what |
|---|---|---|
| index `id` | str | the exchange's id |
| `session`, `client`, `server`, `transport` | str | as in the capture |
| `time` | datetime64[us, UTC] | when the request was complete |
| `elapsed` | float64 | seconds to the reply |
| `command`, `version`, `account`, `sequence` | str | by the spec's roles |
| `status` | Int64 | by the spec's role, or object where a reply's status is no number |
| `error` | str | why there is no (whole) reply |
| `notes` | object | tuple of note codes |
| `request.NAME`, `reply.NAME` | Int64, str, or object for lists | a field, the first of doubled ones |
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange
from qqlab.spec import Spec

_TEXTS = ("session", "client", "server", "transport", "command", "version", "account", "sequence", "error")


def frame(exchanges: Iterable[Exchange], spec: Spec) -> pd.DataFrame:
    """One row an exchange, in order; the columns are those of the table above, fields in order of appearance."""
    rows = [_row(exchange, decode(exchange, spec)) for exchange in exchanges]
    names = dict.fromkeys([*_row_names(), *(name for row in rows for name in row)])
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names if name != "id"}
    return pd.DataFrame(columns, index=pd.Index([row["id"] for row in rows], name="id", dtype="str"))


def _row_names() -> tuple[str, ...]:
    return (
        "id",
        "session",
        "time",
        "elapsed",
        "client",
        "server",
        "transport",
        *_TEXTS[4:8],
        "status",
        "error",
        "notes",
    )


def _row(exchange: Exchange, decoded: Decoded) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": exchange.id,
        "session": exchange.session,
        "time": exchange.time,
        "elapsed": exchange.elapsed,
        "client": exchange.client,
        "server": exchange.server,
        "transport": exchange.transport,
        "command": decoded.command,
        "version": decoded.version,
        "account": decoded.account,
        "sequence": decoded.sequence,
        "status": decoded.status,
        "error": exchange.error,
        "notes": tuple(note.code for note in decoded.notes),
    }
    for message in decoded.messages():
        row |= {f"{message.direction}.{name}": value for name, value in message.values().items()}
    return row


def _column(name: str, values: list[Any]) -> Any:
    if name == "time":
        return pd.array(pd.to_datetime(values, utc=True).as_unit("us"))
    if name == "elapsed":
        return pd.array(values, dtype="Float64").to_numpy(dtype="float64", na_value=float("nan"))
    if name == "notes":
        return pd.array(values, dtype="object")
    present = [value for value in values if value is not None]
    if name == "status" or (present and all(isinstance(value, int) for value in present)):
        return _integers(values)
    if name in _TEXTS or all(isinstance(value, str) for value in present):
        return pd.array(values, dtype="str")
    return pd.array(values, dtype="object")


def _integers(values: list[Any]) -> Any:
    if all(value is None or isinstance(value, int) for value in values):
        return pd.array(values, dtype="Int64")
    return pd.array(values, dtype="object")
