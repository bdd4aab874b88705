"""Pandas frames of a capture, typed by the spec and not by guessing.

Law: identifiers stay text (a version 1.10 is not 1.1, an account is no number), missing stays missing, and nothing is
lost to a type. `Capture.frame()` has a row for each exchange, and so has `qqlab.capture.read_frame(PATH)`, which of a
dataset takes the columns as they are there:

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

`Capture.fields_frame()` has a row for each field of each message, doubled ones too, in the order of the wire:

| column | dtype | what |
|---|---|---|
| `id`, `session`, `command`, `account` | str | of the exchange |
| `time` | datetime64[us, UTC] | of the exchange |
| `direction` | str | request or reply |
| `position` | int64 | the field's place in the body, from 1 |
| `name` | str | the spec's spelling, or what the wire says where the spec has no such field |
| `documented` | bool | whether the spec has it there |
| `text` | str | the whole value, a list with its separators; missing without `=` |
| `number` | Int64 | the value, where it is a number by the spec |
| `items` | Int64 | how many items a list has |
| `meaning` | str | what the code means |

`Capture.rows_frame()` has a row for each friend, message or other row of a table in a reply or request:

| column | dtype | what |
|---|---|---|
| `id`, `session`, `command`, `account` | str | of the exchange |
| `time` | datetime64[us, UTC] | of the exchange |
| `direction` | str | request or reply |
| `table` | str | the spec's name for the row, such as friend |
| `row` | int64 | its number in the message, from 1 |
| `NAME` | by the spec | each column of the tables, as a field of `frame()`; missing where this row has none |
| `NAME.meaning` | str | what the value of a column with codes means |
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from qqlab.codec import Decoded, Message, Row, case_code, case_of, decode
from qqlab.exchange import Exchange
from qqlab.spec import Field, Spec

FIRST = (
    *("id", "session", "time", "elapsed", "client", "server", "transport"),
    *("command", "version", "account", "sequence", "status", "error", "notes"),
)


def frame(exchanges: Iterable[Exchange], spec: Spec) -> pd.DataFrame:
    """One row an exchange, in order; the columns are those of the table above, fields in order of appearance."""
    return bounded_frame(exchanges, spec, None)[0]


def bounded_frame(exchanges: Iterable[Exchange], spec: Spec, most: int | None) -> tuple[pd.DataFrame, int]:
    """The same with no more than `most` columns for names that the spec does not have, and how many values that leaves
    out: where each message has names of its own, a table would grow with the square of the capture."""
    rows = [_row(exchange, decode(exchange, spec)) for exchange in exchanges]
    names = dict.fromkeys([*FIRST, *(name for row in rows for name in row)])
    known = {*FIRST, *(f"{direction}.{field.name}" for _, direction, field in spec.every_field())}
    foreign = [name for name in names if name not in known]
    beyond = set() if most is None else set(foreign[most:])
    numbers, lists = kinds(spec)
    columns = {
        name: _column(name, [row.get(name) for row in rows], name in numbers, name in lists)
        for name in names
        if name != "id" and name not in beyond
    }
    table = pd.DataFrame(columns, index=pd.Index([row["id"] for row in rows], name="id", dtype="str"))
    return table, sum(name in beyond for row in rows for name in row)


def kinds(spec: Spec) -> tuple[set[str], set[str]]:
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


# Columns by kind; every other one holds text.
_WHOLE = ("position", "row")
_NUMBERS = ("number", "items")
_OF_FIELDS = (
    *("id", "session", "time", "command", "account", "direction", "position", "name", "documented"),
    *("text", "number", "items", "meaning"),
)
_OF_ROWS = ("id", "session", "time", "command", "account", "direction", "table", "row")


def fields_frame(exchanges: Iterable[Exchange], spec: Spec) -> pd.DataFrame:
    """One row a field of a message, in order; the columns are those of the second table above."""
    rows = [row for exchange in exchanges for row in _fields(exchange, spec)]
    return pd.DataFrame({name: _typed(name, [row[name] for row in rows]) for name in _OF_FIELDS})


def rows_frame(exchanges: Iterable[Exchange], spec: Spec) -> pd.DataFrame:
    """One row a row of a table, in order; the columns are those of the third table above."""
    rows = [row for exchange in exchanges for row in _rows(exchange, spec)]
    numbers = _number_columns(spec)
    named = dict.fromkeys(name for row in rows for name in row if name not in _OF_ROWS)
    first = {name: _typed(name, [row[name] for row in rows]) for name in _OF_ROWS}
    cells = {name: _column(name, [row.get(name) for row in rows], name in numbers, False) for name in named}
    return pd.DataFrame(first | cells)


def _of_exchange(exchange: Exchange, decoded: Decoded) -> dict[str, Any]:
    return {
        "id": exchange.id,
        "session": exchange.session,
        "time": exchange.time,
        "command": decoded.command,
        "account": decoded.account,
    }


def _fields(exchange: Exchange, spec: Spec) -> Iterator[dict[str, Any]]:
    decoded = decode(exchange, spec)
    same = _of_exchange(exchange, decoded)
    for message in decoded.messages():
        for field in message.fields:
            code = None if field.spec is None else spec.code(field.spec, field.value)
            yield same | {
                "direction": message.direction,
                "position": field.position + 1,
                "name": field.name,
                "documented": field.spec is not None,
                "text": None if field.raw is None else field.text,
                "number": field.value if isinstance(field.value, int) else None,
                "items": len(field.value) if isinstance(field.value, tuple) else None,
                "meaning": None if code is None else code.name,
            }


def _rows(exchange: Exchange, spec: Spec) -> Iterator[dict[str, Any]]:
    decoded = decode(exchange, spec)
    same = _of_exchange(exchange, decoded)
    for message in decoded.messages():
        for table in message.tables:
            for number, row in enumerate(table.rows, 1):
                place = {"direction": message.direction, "table": table.spec.name, "row": number}
                yield same | place | _cells(message, row, spec)


def _cells(message: Message, row: Row, spec: Spec) -> dict[str, Any]:
    """The cells of a row, and the meanings of those that have codes. A column called as one of the frame's own keeps
    apart by a blank."""
    made: dict[str, Any] = {}
    for name, value in row.cells.items():
        known = spec.field(message.command, message.direction, name)
        case = None if known is None else case_of(known, row.cells)
        shown = f"{name} " if name in _OF_ROWS else name
        made[shown] = value
        if known is not None and (known.codes is not None or any(one.codes is not None for one in known.cases)):
            code = spec.code(known, value) if case is None else case_code(spec, case, value)
            made[f"{shown}.meaning"] = None if code is None else code.name
    return made


def _number_columns(spec: Spec) -> set[str]:
    """The columns of tables that hold numbers in every table that has them."""
    kinds: dict[str, set[bool]] = {}
    for command in spec.commands.values():
        for rows in command.rows:
            for name in rows.columns:
                known = command.field(rows.direction, name)
                kinds.setdefault(name, set()).add(known is not None and known.type in ("int", "code"))
    return {name for name, numbers in kinds.items() if numbers == {True}}


def _typed(name: str, values: list[Any]) -> Any:
    if name in _WHOLE:
        return pd.array(values, dtype="int64").to_numpy(dtype="int64")
    if name == "documented":
        return pd.array(values, dtype="boolean").to_numpy(dtype="bool")
    return _column(name, values, name in _NUMBERS, False)
