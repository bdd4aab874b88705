"""One message: raw pairs and the spec to fields, rows and notes; and values to a body.

Law: decoding is total, it raises for no bytes, and bounded: of a message with more than `MOST_FIELDS` fields, or a
list of more than `MOST_ITEMS` items, the first are read and a note says so, and of notes of one code about one field
the first `MOST_NOTES` are made. A field is looked up by (command, direction, name). A doubled
field keeps all its occurrences; where one value is asked for, the first counts, as it did for the clients.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise

import msgspec

from qqlab import spec as specs
from qqlab import wire
from qqlab.codec import text as texts
from qqlab.codec import values
from qqlab.codec.notes import Note, note
from qqlab.codec.values import Scalar, Value
from qqlab.spec import Command, Direction, Rows, Spec

# Far beyond anything the protocol has (a page has at most 160 rows), and few enough to decode in some milliseconds.
MOST_FIELDS = 1000
MOST_ITEMS = 10_000
MOST_NOTES = 5
_MOST_TEXT = 300


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of a message, understood.

    `name` is the spec's spelling, or what the wire says where the spec has no such field. `text` is the whole
    value with the pair's layer undone, `value` its typed form (a tuple for a list). `raw` is None for a segment
    without `=`. `position` is the pair's place in the body.
    """

    name: str
    spec: specs.Field | None
    value: Value
    text: str
    raw: bytes | None
    position: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One friend, one message: the items with the same index, by column. A list that is too short gives None."""

    cells: dict[str, Scalar]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a message, with what the spec says of them."""

    spec: Rows
    rows: tuple[Row, ...]


class Message(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A decoded body. `name` is the command as written, `command` what the spec knows of it.

    `charset` is the first of the spec's charsets where all text is in it, else the odd one out, or `raw`.
    `plus` tells whether `+` was read as a blank. `terminated` tells whether the body ends in `&`.
    """

    direction: Direction
    name: str
    command: Command | None
    fields: tuple[Field, ...]
    tables: tuple[Table, ...]
    notes: tuple[Note, ...]
    charset: str
    plus: bool
    terminated: bool

    @property
    def foreign(self) -> bool:
        """Whether there are fields, but none that the spec knows: a page of HTML, prose, another protocol."""
        return bool(self.fields) and all(field.spec is None for field in self.fields)

    @cached_property
    def _first(self) -> dict[str, Field]:
        return {field.name: field for field in reversed(self.fields)}

    def get(self, name: str) -> Field | None:
        """The first field of that name (the spec's spelling), or None."""
        return self._first.get(name)

    def value(self, name: str) -> Value:
        """The typed value of the first field of that name; None where it is absent or empty."""
        field = self._first.get(name)
        return None if field is None else field.value

    def text(self, name: str) -> str | None:
        """The value of the first field of that name as text; None where it is absent or empty."""
        field = self._first.get(name)
        return (field.text.strip(" ") or None) if field is not None else None

    def values(self) -> dict[str, Value]:
        """All typed values by name, the first of doubled ones, in order."""
        return {field.name: field.value for field in self.fields if self._first[field.name] is field}


def recognise(body: bytes, spec: Spec) -> bool:
    """Whether a request body is of this protocol: it names a command, and one more role's field beside it."""
    roles = spec.roles
    names = {pair.key.decode("latin-1").upper() for pair in wire.split(body[:4096]) if pair.value is not None}
    return roles.command.upper() in names and any(
        role.upper() in names for role in (roles.version, roles.sequence, roles.account)
    )


def decode_message(body: bytes, direction: Direction, spec: Spec, fallback: Command | None = None) -> Message:
    """Understand a body. `fallback` is the command to go by where the body names none that the spec knows."""
    return _Decoding(body, direction, spec, fallback).message()


def encode_message(
    values_by_name: Iterable[tuple[str, Value]],
    direction: Direction,
    spec: Spec,
    command: Command | None,
    *,
    terminated: bool = False,
) -> bytes:
    """Write a body: the fields in the given order, escaped as the spec says, with a `&` at the end if asked.

    The undoing of `decode_message` for every body that is written as the server writes.
    """
    pairs = [
        wire.Pair(name.encode(), values.write(value, spec.field(command, direction, name), spec.wire))
        for name, value in values_by_name
    ]
    return wire.join([*pairs, wire.Pair(b"", None)] if terminated else pairs)


class _Decoding:
    """The state of one decoding: what was read so far, and the notes that it gave."""

    def __init__(self, body: bytes, direction: Direction, spec: Spec, fallback: Command | None) -> None:
        self.spec = spec
        self.direction = direction
        self.notes: list[Note] = []
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self.pairs = self._first_pairs(body)
        self.plus = b"+" in body and texts.plus_is_blank(body)
        self.charset = spec.wire.charsets[0]
        self.terminated = len(self.pairs) > 1 and self.pairs[-1] == wire.Pair(b"", None)
        self.empty = body == b""
        self.name = self._role_text(spec.roles.command)
        self.command = spec.command(self.name) or fallback
        self.version = self._role_text(spec.roles.version)

    def message(self) -> Message:
        fields = tuple(self._fields())
        if fields and all(field.spec is None for field in fields):
            self.notes = [note("body.foreign", "the body holds no field that the spec knows", self.direction)]
        elif not self.empty:
            self._check_roles(fields)
            self._check_fields(fields)
        first = {field.name: field for field in reversed(fields)}
        return Message(
            direction=self.direction,
            name=self.name,
            command=self.command,
            fields=fields,
            tables=tuple(self._tables(first)),
            notes=tuple(self.notes),
            charset=self.charset,
            plus=self.plus,
            terminated=self.terminated,
        )

    def _first_pairs(self, body: bytes) -> tuple[wire.Pair, ...]:
        if body.count(b"&") < MOST_FIELDS:
            return wire.split(body)
        self._note("field.many", f"there are {body.count(b'&') + 1} fields, the first {MOST_FIELDS} were read")
        return wire.split(b"&".join(body.split(b"&", MOST_FIELDS)[:MOST_FIELDS]))

    def _note(self, code: str, text: str, field: str | None = None) -> None:
        self._counts[code, field] += 1
        if self._counts[code, field] <= MOST_NOTES:
            shown = text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
            self.notes.append(note(code, shown, self.direction, field))

    def _role_text(self, role: str) -> str:
        wanted = role.encode().upper()
        for key, value in self.pairs:
            if key.upper() == wanted and value is not None:
                return texts.decode(texts.unescape(value), self.spec.wire.charsets).value.strip(" \r\n")
        return ""

    def _fields(self) -> Iterator[Field]:
        last = len(self.pairs) - 1
        for position, (key, raw) in enumerate(self.pairs):
            if key == b"" and raw is None and (position == last or self.empty):
                continue
            yield self._field(position, key, raw)

    def _field(self, position: int, key: bytes, raw: bytes | None) -> Field:
        written = texts.decode(texts.unescape(key), self.spec.wire.charsets).value
        known = self.spec.field(self.command, self.direction, written)
        name = written if known is None else known.name
        if known is None and self.command is not None:
            self._note("field.undocumented", f"{self.command.name}: the {self.direction} has {written}", name)
        elif known is not None and known.name != written:
            self._note("field.case", f"{known.name} is written {written}", name)
        if raw is None:
            self._note("field.bare", f"segment {position + 1} is {written!r}, without =", name)
            return Field(name=name, spec=known, value=None, text="", raw=None, position=position)
        return self._valued(position, name, known, raw)

    def _valued(self, position: int, name: str, known: specs.Field | None, raw: bytes) -> Field:
        decoded = texts.decode(texts.unescape(raw, self.plus), self.spec.wire.charsets)
        if texts.has_broken_escape(raw):
            self._note("text.escape", f"{name}: a % is not followed by two hex digits", name)
        if b"+" in raw:
            self._note("text.plus", f"{name}: + was read as {'a blank' if self.plus else 'a plus'}", name)
        if decoded.charset != self.spec.wire.charsets[0]:
            self.charset = decoded.charset
            how = "in no known charset" if decoded.charset == texts.RAW else f"{decoded.charset}, not UTF-8"
            self._note("text.charset", f"{name} is {how}", name)
        # Line ends after the last value belong to no field: some clients end the body with them.
        text = decoded.value.rstrip("\r\n") if position == len(self.pairs) - 1 and raw[-1:] == b"\n" else decoded.value
        if known is not None and known.list:
            return self._list(position, name, known, raw, text)
        inner = texts.unescape_item(text, self.spec.wire) if known is not None and known.layers == 2 else text
        value, fits = values.parse(inner, known)
        self._check_value(name, known, value, fits)
        return Field(name=name, spec=known, value=value, text=text, raw=raw, position=position)

    def _list(self, position: int, name: str, known: specs.Field, raw: bytes, text: str) -> Field:
        parts, complete = values.items(text, self.spec.wire.list_separator)
        if not complete:
            self._note("list.unterminated", f"{name}: the last item is not followed by a comma", name)
        if len(parts) > MOST_ITEMS:
            self._note("field.many", f"{name} has {len(parts)} items, the first {MOST_ITEMS} were read", name)
            parts = parts[:MOST_ITEMS]
        parsed = [values.parse(texts.unescape_item(part, self.spec.wire), known) for part in parts]
        for value, fits in parsed:
            self._check_value(name, known, value, fits)
        return Field(
            name=name, spec=known, value=tuple(value for value, _ in parsed), text=text, raw=raw, position=position
        )

    def _check_value(self, name: str, known: specs.Field | None, value: Scalar, fits: bool) -> None:
        if known is None:
            return
        if not fits:
            self._note("value.type", f"{name}: {value!r} is not of type {known.type}", name)
        elif value is None:
            if known.required and known.type != "text":
                self._note("value.empty", f"{name} is empty", name)
        elif known.type == "code" and self.spec.code(known, value) is None:
            self._note("code.unknown", f"{name}: {value} is not in table {known.codes}", name)
        elif known.constants and value not in known.constants:
            self._note("value.constant", f"{name}: {value!r} is none of {', '.join(known.constants)}", name)

    def _check_roles(self, fields: tuple[Field, ...]) -> None:
        roles = self.spec.roles
        if not self.name:
            self._note("command.missing", f"no {roles.command}", roles.command)
        elif self.spec.command(self.name) is None:
            self._note("command.unknown", f"{roles.command}={self.name}", roles.command)
        if not self.version:
            self._note("version.missing", f"no {roles.version}", roles.version)
        elif self.version not in self.spec.versions:
            self._note("version.unknown", f"{roles.version}={self.version}", roles.version)
        if self.direction == "request" and not any(field.name == roles.account for field in fields):
            self._note("account.missing", f"no {roles.account}", roles.account)

    def _check_fields(self, fields: tuple[Field, ...]) -> None:
        if self.command is None:
            return
        by_name: dict[str, list[Field]] = {}
        for field in fields:
            by_name.setdefault(field.name, []).append(field)
        for name, same in by_name.items():
            if len(same) > 1:
                self._note("field.duplicate", f"{name} stands there {len(same)} times", name)
        self._check_missing({name: same[0] for name, same in by_name.items()})
        self._check_versions(fields)
        self._check_order(fields)

    def _check_missing(self, first: dict[str, Field]) -> None:
        assert self.command is not None
        succeeded = self.direction == "request" or self._status_ok(first)
        for known in self.command.fields(self.direction):
            common = known in getattr(self.spec.common, self.direction)
            if known.required and known.name not in first and (succeeded or common) and _holds(known, first):
                self._note(
                    "field.missing", f"{self.command.name}: the {self.direction} has no {known.name}", known.name
                )

    def _status_ok(self, first: dict[str, Field]) -> bool:
        status = first.get(self.spec.roles.status)
        if status is None or status.spec is None:
            return True
        code = self.spec.code(status.spec, status.value)
        return code is not None and code.ok is not False

    def _check_versions(self, fields: tuple[Field, ...]) -> None:
        if self.direction == "reply":  # a reply says 1.1 whatever the request said
            return
        for field in fields:
            if field.spec is not None and field.spec.versions and self.version not in field.spec.versions:
                self._note("field.version", f"{field.name} belongs to {', '.join(field.spec.versions)}", field.name)

    def _check_order(self, fields: tuple[Field, ...]) -> None:
        assert self.command is not None
        order = {known.name: index for index, known in enumerate(self.command.fields(self.direction))}
        places = [(order[field.name], field.name) for field in fields if field.name in order]
        for (before, _), (after, name) in pairwise(places):
            if after < before:
                self._note("field.order", f"{name} stands later than the spec has it", name)
                return

    def _tables(self, first: dict[str, Field]) -> Iterator[Table]:
        if self.command is None:
            return
        for rows in self.command.rows:
            columns = {
                name: first[name].value for name in rows.columns if rows.direction == self.direction and name in first
            }
            lists = {name: value if isinstance(value, tuple) else () for name, value in columns.items()}
            if lists:
                yield self._table(rows, lists, first)

    def _table(self, rows: Rows, lists: dict[str, tuple[Scalar, ...]], first: dict[str, Field]) -> Table:
        lengths = {name: len(items) for name, items in lists.items()}
        length = max(lengths.values())
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            self._note("list.length", f"lists of one table differ: {told}")
        count = first[rows.count].value if rows.count is not None and rows.count in first else None
        if isinstance(count, int) and count != length:
            self._note("list.count", f"{rows.count} says {count}, there are {length}", rows.count)
        table = tuple(
            Row(cells={name: items[index] if index < len(items) else None for name, items in lists.items()})
            for index in range(length)
        )
        self._check_cases(table)
        return Table(spec=rows, rows=table)

    def _check_cases(self, table: tuple[Row, ...]) -> None:
        assert self.command is not None
        for row in table:
            for name, value in row.cells.items():
                known = self.command.field(self.direction, name)
                case = None if known is None else case_of(known, row.cells)
                if case is not None and case.codes is not None and case_code(self.spec, case, value) is None:
                    what = f"{name}: {value!r} with {case.field}={row.cells[case.field]} is not in table {case.codes}"
                    self._note("code.unknown", what, name)


def case_of(field: specs.Field, beside: dict[str, Scalar]) -> specs.Case | None:
    """Which case of the field's meaning applies, given the values beside it."""
    return next((case for case in field.cases if beside.get(case.field) in case.values), None)


def case_code(spec: Spec, case: specs.Case, value: Scalar) -> specs.CodeValue | None:
    """The documented meaning of a value under that case, or None where it is free text or not in the table."""
    if case.codes is None or value is None:
        return None
    text = str(value).strip(" ")
    return spec.codes[case.codes].by_value.get(int(text)) if text.isdecimal() and len(text) < 10 else None


def _holds(known: specs.Field, first: dict[str, Field]) -> bool:
    return all(name in first and first[name].value in allowed for name, allowed in known.when.items())
