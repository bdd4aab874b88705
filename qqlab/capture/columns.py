"""Exchanges as columns: the tables that a dataset's Parquet files hold.

Law: raw bytes come first, and what is decoded of them stands beside, made with one spec. From the raw columns alone
an exchange is made again, and with `line` or `decoded` its line of a JSON-lines capture, byte for byte. All files of a
dataset have the same columns in the same order:

| column | type | what |
|---|---|---|
| `ordinal` | int64 | where the exchange stands in the capture, from 0 |
| `id`, `session`, `client`, `server`, `transport`, `pairing` | string | as in the capture |
| `time` | timestamp[us, UTC] | when the request was complete; null where unknown |
| `elapsed` | double | seconds to the reply; null where unknown |
| `error` | string | why there is no (whole) reply; null where there is none |
| `request_head`, `reply_head` | binary | the head of the message; null where there is no message |
| `request_body`, `reply_body` | binary | its body, with chunks and content coding as they were sent |
| `request_end`, `reply_end` | binary | the line end that closed a message of lines, else empty |
| `request_chunked`, `reply_chunked` | bool | whether the body holds chunks |
| `request_cut_length`, `reply_cut_length` | int64 | how long a body was that was cut; null where it is whole |
| `request_cut_sha256`, `reply_cut_sha256` | string | the SHA-256 of that one, in hex |
| `line` | binary | the capture's own line, where it would not come out of the other columns as it was; else null |
| `decoded` | binary | the line's `decoded` part, JSON as it was written; null where there is `line` |
| `command`, `version`, `account`, `sequence` | string | by the spec's roles |
| `status` | int64 | by the spec's role |
| `notes` | list of string | the codes of what is odd |
| `request.NAME`, `reply.NAME` | int64 or string | a field of the spec, the first of doubled ones |
| `request.NAME[]`, `reply.NAME[]` | list of those | the same where it is a list |
| `rest` | string | JSON of what fits into no column: fields that the spec does not have, values of another type |
| `day` | in the directory's name | the day of `time` in UTC |

A field's column holds int64 where the spec says int or code wherever it has that field, else string.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from qqlab.capture.file import kept_line
from qqlab.codec import Decoded, Value
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.spec import DIRECTIONS, Spec

_INT = pa.int64()
_TEXT = pa.string()
_OF_EXCHANGE: dict[str, pa.DataType] = {
    "ordinal": _INT,
    "id": _TEXT,
    "session": _TEXT,
    "time": pa.timestamp("us", tz="UTC"),
    "elapsed": pa.float64(),
    "client": _TEXT,
    "server": _TEXT,
    "transport": _TEXT,
    "error": _TEXT,
    "pairing": _TEXT,
}
_OF_MESSAGE: dict[str, pa.DataType] = {
    "head": pa.binary(),
    "body": pa.binary(),
    "end": pa.binary(),
    "chunked": pa.bool_(),
    "cut_length": _INT,
    "cut_sha256": _TEXT,
}
_OF_LINE: dict[str, pa.DataType] = {"line": pa.binary(), "decoded": pa.binary()}
_OF_DECODED: dict[str, pa.DataType] = {
    "command": _TEXT,
    "version": _TEXT,
    "account": _TEXT,
    "sequence": _TEXT,
    "status": _INT,
    "notes": pa.list_(_TEXT),
}
REST = "rest"

RAW = (*_OF_EXCHANGE, *(f"{direction}_{part}" for direction in DIRECTIONS for part in _OF_MESSAGE), "line")
"""The columns that exchanges are made of."""
LINES = (*RAW, "decoded")
"""The columns that lines are made of."""
# The same texts stand in them again and again.
REPEATED = ("session", "server", "transport", "pairing", "request_head", "reply_head")

_rest_encoder = msgspec.json.Encoder()


class Row(NamedTuple):
    """One exchange with all that a dataset keeps of it: `line` are its line's own bytes where they are to be kept,
    `written` is the `decoded` part of the line, `decoded` what the dataset's spec says of it."""

    ordinal: int
    exchange: Exchange
    line: bytes | None
    written: bytes
    decoded: Decoded


class Columns:
    """The columns of a dataset made with a spec. `fields` maps a field's column to whether it holds numbers."""

    def __init__(self, spec: Spec) -> None:
        numbers: dict[str, bool] = {}
        for _, direction, field in spec.every_field():
            name = field_column(direction, field.name, field.list)
            numbers[name] = numbers.get(name, True) and field.type in ("int", "code")
        self.fields = numbers
        self.schema = pa.schema(
            [
                *_OF_EXCHANGE.items(),
                *((f"{one}_{part}", kind) for one in DIRECTIONS for part, kind in _OF_MESSAGE.items()),
                *_OF_LINE.items(),
                *_OF_DECODED.items(),
                *((name, _kind(name, number)) for name, number in numbers.items()),
                (REST, _TEXT),
            ]
        )

    def table(self, rows: Sequence[Row]) -> pa.Table:
        """Exchanges as a table."""
        dense = {**_of_exchanges(rows), **_of_messages(rows), **_of_decoded(rows)}
        sparse = self._sparse(rows)
        arrays = [
            pa.array(dense[field.name], field.type) if field.name in dense else sparse.pop(field.name).array(field.type)
            for field in self.schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _sparse(self, rows: Sequence[Row]) -> dict[str, "_Sparse"]:
        """What few rows have: fields of their commands, and the rest."""
        made = {name: _Sparse(len(rows)) for name in (*self.fields, REST, "status")}
        for number, row in enumerate(rows):
            rest: dict[str, Any] = {}
            status = row.decoded.status
            if isinstance(status, int):
                made["status"].put(number, status)
            elif status is not None:
                rest["status"] = status
            for message in row.decoded.messages():
                for name, value in message.values().items():
                    if value is None:
                        continue
                    column = field_column(message.direction, name, isinstance(value, tuple))
                    if self._fits(column, value):
                        made[column].put(number, value)
                    else:
                        rest.setdefault(message.direction, {})[name] = value
            if rest:
                made[REST].put(number, _rest_encoder.encode(rest).decode())
        return made

    def _fits(self, column: str, value: Value) -> bool:
        number = self.fields.get(column)
        if number is None:
            return False
        kind = int if number else str
        if isinstance(value, tuple):
            return all(item is None or isinstance(item, kind) for item in value)
        return isinstance(value, kind)


def field_column(direction: str, name: str, is_list: bool) -> str:
    """The column of a field."""
    return f"{direction}.{name}[]" if is_list else f"{direction}.{name}"


def _kind(name: str, number: bool) -> pa.DataType:
    kind = _INT if number else _TEXT
    return pa.list_(kind) if name.endswith("[]") else kind


class _Sparse:
    """A column that is null where nothing was put."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at: list[int] = []
        self._values: list[Any] = []

    def put(self, number: int, value: Any) -> None:
        self._at.append(number)
        self._values.append(value)

    def array(self, kind: Any) -> Any:
        if not self._values:
            return pa.nulls(self._size, kind)
        places = np.full(self._size, -1, dtype=np.int32)
        places[self._at] = np.arange(len(self._at), dtype=np.int32)
        taken: Any = pa.array(places, mask=places < 0)
        return pa.array(self._values, kind).take(taken)


def _of_exchanges(rows: Sequence[Row]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {
        name: [getattr(row.exchange, name) for row in rows] for name in _OF_EXCHANGE if name not in ("ordinal", "time")
    }
    made["ordinal"] = [row.ordinal for row in rows]
    made["time"] = [in_utc(row.exchange.time) for row in rows]
    made["line"] = [row.line for row in rows]
    made["decoded"] = [row.written if row.line is None else None for row in rows]
    return made


def in_utc(time: datetime | None) -> datetime | None:
    """A time in UTC, which is what one without a zone is taken for; None for one that does not exist there."""
    if time is None or time.tzinfo is UTC:
        return time
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None


def _of_messages(rows: Sequence[Row]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for direction in DIRECTIONS:
        raws: list[RawMessage | None] = [getattr(row.exchange, direction) for row in rows]
        cuts = [None if raw is None else raw.cut for raw in raws]
        for part in ("head", "body", "end", "chunked"):
            made[f"{direction}_{part}"] = [None if raw is None else getattr(raw, part) for raw in raws]
        made[f"{direction}_cut_length"] = [None if cut is None or not _is_held(cut) else cut.length for cut in cuts]
        made[f"{direction}_cut_sha256"] = [None if cut is None else cut.sha256 for cut in cuts]
    return made


def _of_decoded(rows: Sequence[Row]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {
        name: [getattr(row.decoded, name) for row in rows] for name in ("command", "version", "account", "sequence")
    }
    made["notes"] = [[note.code for note in row.decoded.notes] for row in rows]
    return made


def can_hold(exchange: Exchange) -> bool:
    """Whether the raw columns give just this exchange again; of any other one the line is kept."""
    cuts = [raw.cut for raw in (exchange.request, exchange.reply) if raw is not None and raw.cut is not None]
    known = exchange.time is None or exchange.time.tzinfo is UTC
    return known and all(map(_is_held, cuts))


def _is_held(cut: Cut) -> bool:
    return -(1 << 63) <= cut.length < 1 << 63


# So many become Python's objects at a time.
_BATCH = 1024


def exchanges(table: pa.Table, parse: Callable[[bytes], Exchange]) -> Iterator[list[Exchange]]:
    """The exchanges of a table with the columns `RAW`, in its order, some at a time. `parse` reads what has its own
    line."""
    return (list(_made(column, parse)) for column in batches(table, RAW))


def lines(table: pa.Table, parse: Callable[[bytes], Exchange]) -> Iterator[bytes]:
    """The lines of a table with the columns `LINES`, in its order, without their ends."""
    for column in batches(table, LINES):
        for exchange, line, decoded in zip(_made(column, parse), column["line"], column["decoded"], strict=True):
            yield kept_line(exchange, decoded) if line is None else line


def _made(column: dict[str, list[Any]], parse: Callable[[bytes], Exchange]) -> Iterator[Exchange]:
    requests, replies = (_messages(column, direction) for direction in DIRECTIONS)
    names = ("id", "session", "time", "elapsed", "client", "server", "transport", "error", "pairing", "line")
    others = zip(*(column[name] for name in names), strict=True)
    for request, reply, other in zip(requests, replies, others, strict=True):
        identifier, session, time, elapsed, client, server, transport, error, pairing, line = other
        if line is not None:
            yield parse(line)
            continue
        yield Exchange(
            id=identifier,
            session=session,
            time=time,
            elapsed=elapsed,
            client=client,
            server=server,
            transport=transport,
            request=request,
            reply=reply,
            error=error,
            pairing=pairing,
        )


def _messages(column: dict[str, list[Any]], direction: str) -> Iterator[RawMessage | None]:
    parts = (column[f"{direction}_{part}"] for part in _OF_MESSAGE)
    for head, body, end, chunked, length, digest in zip(*parts, strict=True):
        if head is None:
            yield None
        else:
            cut = None if length is None else Cut(length=length, sha256=digest)
            yield RawMessage(head=head, body=body, end=end, chunked=chunked, cut=cut)


def batches(table: pa.Table, names: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """The columns of these names as lists of Python's values, None for null, some thousand rows at a time."""
    arrays = {name: _whole(table.column(name)) for name in names}
    known = {
        name: [*array.dictionary.to_pylist(), None]
        for name, array in arrays.items()
        if pa.types.is_dictionary(array.type)
    }
    for at in range(0, table.num_rows, _BATCH):
        yield {name: _values(array.slice(at, _BATCH), known.get(name)) for name, array in arrays.items()}


def _whole(column: Any) -> Any:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _values(array: Any, known: list[Any] | None) -> list[Any]:
    """An array's values; `known` are those of its dictionary, with None behind them."""
    if known is not None:
        places: list[int] = array.indices.fill_null(len(known) - 1).to_numpy().tolist()
        return [known[at] for at in places]
    if array.null_count == len(array):
        return [None] * len(array)
    if pa.types.is_timestamp(array.type):
        naive = array.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).tolist()
        return [None if time is None else time.replace(tzinfo=UTC) for time in naive]
    if array.null_count == 0 or pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        found: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
        return found
    return list(array.to_pylist())
