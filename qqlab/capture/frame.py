"""A pandas frame of exchanges, typed by the spec and not by guessing.

Law: identifiers stay text (a version 1.10 is not 1.1, an account is no number), missing stays missing. Columns:

| column | dtype | what |
|---|---|---|
| index `id` | str | the exchange's id |
| `session`, `client`, `server`, `transport` | str | as in the capture |
| `time` | datetime64[us, UTC] | when the request was complete |
| `elapsed` | float64 | seconds to the reply |
| `command`, `version`, `account`, `sequence` | str | by the spec's roles |
| `status` | Int64 | by the spec's role |
| `error` | str | why there is no (whole) reply |
| `notes` | object | tuple of note codes |
| `request.NAME`, `reply.NAME` | by the spec | a field, the first of doubled ones |

A field's column is Int64 where the spec says int or code, object where it is a list in some command, str otherwise.
An Int64 column becomes object where a value is no number, so that nothing is lost.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange
from qqlab.spec import Field, Spec

_FIRST = (
    *("id", "session", "time", "elapsed", "client", "server", "transport"),
    *("command", "version", "account", "sequence", "status", "error", "notes"),
)


def frame(exchanges: Iterable[Exchange], spec: Spec) -> pd.DataFrame:
    """One row an exchange, in order; the columns are those of the table above, fields in order of appearance."""
    rows = [_row(exchange, decode(exchange, spec)) for exchange in exchanges]
    names = dict.fromkeys([*_FIRST, *(name for row in rows for name in row)])
    numbers, lists = _kinds(spec)
    columns = {
        name: _column(name, [row.get(name) for row in rows], name in numbers, name in lists)
        for name in names
        if name != "id"
    }
    return pd.DataFrame(columns, index=pd.Index([row["id"] for row in rows], name="id", dtype="str"))


def _kinds(spec: Spec) -> tuple[set[str], set[str]]:
    """The columns that hold numbers in every command that has them, and those that hold a list in any."""
    fields: dict[str, list[Field]] = {}
    for _, direction, field in spec.every_field():
        fields.setdefault(f"{direction}.{field.name}", []).append(field)
    numbers = {name for name, same in fields.items() if all(field.type in ("int", "code") for field in same)}
    lists = {name for name, same in fields.items() if any(field.list for field in same)}
    return numbers | {"status"}, lists


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


def _column(name: str, values: list[Any], number: bool, list_: bool) -> Any:
    if name == "time":
        return pd.array(pd.to_datetime(values, utc=True).as_unit("us"))
    if name == "elapsed":
        return pd.array(values, dtype="Float64").to_numpy(dtype="float64", na_value=float("nan"))
    wanted = (int,) if number else (str,)
    if name == "notes" or list_ or not all(value is None or isinstance(value, wanted) for value in values):
        return pd.array(values, dtype="object")
    return pd.array(values, dtype="Int64" if number else "str")
