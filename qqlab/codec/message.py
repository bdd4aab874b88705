"""One message: raw pairs and the spec to fields, rows and notes; and values to a body.

Law: decoding is total, it raises for no bytes, and bounded: of a message with more than `MOST_FIELDS` fields, or a
list of more than `MOST_ITEMS` items, the first are read and a note says so, and of notes of one code about one field
the first `MOST_NOTES` are made. A field is looked up by (command, direction, name). A doubled
field keeps all its occurrences; where one value is asked for, the first counts, as it did for the clients.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from itertools import pairwise, zip_longest

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
# For each command and direction.
_MOST_REMEMBERED = 256
_LONGEST_REMEMBERED = 64


# Fields, rows and notes hold no cycles; told so, the garbage collector need not look at them.
class Field(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
        return _first_of(self.fields)

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

    def with_field(self, place: int, field: Field) -> "Message":
        """The message with another field of that name in that place, where nothing else that is said hangs on it."""
        fields = list(self.fields)
        fields[place] = field
        message = msgspec.structs.replace(self, fields=tuple(fields))
        if self._first[field.name] is self.fields[place]:
            message.__dict__["_first"] = self._first | {field.name: field}
        return message

    def values(self) -> dict[str, Value]:
        """All typed values by name, the first of doubled ones, in order."""
        return {name: field.value for name, field in self._first.items()}


def _first_of(fields: Iterable[Field]) -> dict[str, Field]:
    """The first field of each name, in order."""
    first: dict[str, Field] = {}
    for field in fields:
        first.setdefault(field.name, field)
    return first


def recognise(body: bytes, spec: Spec) -> bool:
    """Whether a request body is of this protocol: it names a command, and one more role's field beside it."""
    roles = spec.roles
    begin = b"&" + body[:4096].upper()
    return begin.find(_named(roles.command)) >= 0 and any(
        begin.find(_named(role)) >= 0 for role in (roles.version, roles.sequence, roles.account)
    )


@cache
def _named(role: str) -> bytes:
    """How a field of that name begins, in a body in upper case that begins with `&`."""
    return b"&" + role.upper().encode() + b"="


def decode_message(
    body: bytes, direction: Direction, spec: Spec, fallback: Command | None = None, *, checked: bool = True
) -> Message:
    """Understand a body. `fallback` is the command to go by where the body names none that the spec knows. Without
    `checked` no notes are made of what is missing or out of order, for bodies that are known to be parts."""
    return _Decoding(body, direction, spec, fallback).message(checked)


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
    known = spec.layout(command, direction).by_name
    pairs = [
        wire.Pair(name.encode(), values.write(value, known.get(name.upper()), spec.wire))
        for name, value in values_by_name
    ]
    return wire.join([*pairs, wire.Pair(b"", None)] if terminated else pairs)


class ValueReader:
    """Reads values by themselves, as decoding reads them wherever they stand in a message."""

    def __init__(self, spec: Spec) -> None:
        self._decodings = {plus: _Decoding(b"%21+" if plus else b"%", "request", spec, None) for plus in (False, True)}

    def read(self, raw: bytes, known: specs.Field, *, plus: bool) -> tuple[Value, str] | None:
        """The value of a field, and its text. None where there is something to note of it, other than that it has a
        `+`, and where it has blanks or line ends around it: what they mean hangs on more than the value. `plus` tells
        whether `+` is a blank."""
        decoding = self._decodings[plus]
        decoding.forget()
        field = decoding.valued(-1, known.name, known, raw)
        if any(note.code != "text.plus" for note in decoding.notes):
            return None
        return (
            None if raw.endswith((b"\n", b"\r")) or field.text.strip(" ") != field.text else (field.value, field.text)
        )


class _Decoding:
    """The state of one decoding: what was read so far, and the notes that it gave."""

    def __init__(self, body: bytes, direction: Direction, spec: Spec, fallback: Command | None) -> None:
        self.spec = spec
        self.direction = direction
        self.notes: list[Note] = []
        self._noted = 0  # how often there was something to note; of many of a kind the first are made
        self._counts: dict[tuple[str, str | None], int] = {}
        self.pairs = self._first_pairs(body)
        self.last = len(self.pairs) - 1
        self.plain = texts.is_plain(body)
        self.plus = body.find(b"+") >= 0 and texts.plus_is_blank(body)
        self.charset = self._usual_charset = spec.wire.charsets[0]
        self.terminated = self.last > 0 and self.pairs[-1] == (b"", None)
        self.empty = body == b""
        self.name = self._role_text(spec.roles.command)
        self._named = spec.command(self.name)
        self.command = self._named or fallback
        self.layout = spec.layout(self.command, direction)
        self.version = self._role_text(spec.roles.version)

    def message(self, checked: bool) -> Message:
        fields = tuple(self._fields())
        first = _first_of(fields)
        if fields and all(field.spec is None for field in fields):
            self.notes = [note("body.foreign", "the body holds no field that the spec knows", self.direction)]
        elif checked and not self.empty:
            self._check_roles(first)
            self._check_fields(fields, first)
        message = Message(
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
        message.__dict__["_first"] = first  # what the cached property would make of the fields again
        return message

    def _first_pairs(self, body: bytes) -> tuple[wire.Pair, ...]:
        if body.count(b"&") < MOST_FIELDS:
            return wire.split(body)
        self._note("field.many", f"there are {body.count(b'&') + 1} fields, the first {MOST_FIELDS} were read")
        return wire.split(b"&".join(body.split(b"&", MOST_FIELDS)[:MOST_FIELDS]))

    def _note(self, code: str, text: str, field: str | None = None) -> None:
        self._noted += 1
        count = self._counts[code, field] = self._counts.get((code, field), 0) + 1
        if count <= MOST_NOTES:
            shown = text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
            self.notes.append(note(code, shown, self.direction, field))

    def _role_text(self, role: str) -> str:
        wanted = role.upper().encode()
        for key, value in self.pairs:
            if (key == wanted or key.upper() == wanted) and value is not None:
                text = value.decode() if self.plain and value.isascii() else self._undone(value)
                return text.strip(" \r\n")
        return ""

    def _undone(self, raw: bytes) -> str:
        return texts.decode(texts.unescape(raw), self.spec.wire.charsets).value

    def _fields(self) -> Iterator[Field]:
        remembered = self.layout.remembered
        for place in enumerate(self.pairs):
            field = remembered.get(place) or self._field(*place)
            if field is not None:
                yield field

    def _field(self, position: int, pair: wire.Pair) -> Field | None:
        """The field that a pair is; None for the empty segment at the end."""
        key, raw = pair
        known = self.layout.by_key.get(key)
        if known is None or raw is None:
            is_end = key == b"" and raw is None and (position == self.last or self.empty)
            return None if is_end else self._odd_field(position, key, raw)
        noted = self._noted
        field = self.valued(position, known.name, known, raw)
        # Where there was nothing to note, the pair and its place alone decided; but for line ends at the body's end.
        if self._noted == noted and len(raw) <= _LONGEST_REMEMBERED and not known.secret and raw[-1:] != b"\n":
            self._remember((position, pair), field)
        return field

    def _remember(self, place: tuple[int, wire.Pair], field: Field) -> None:
        """Most of what is said was said before: VER, CMD, UIN, RES are the same in hundreds of messages."""
        if len(self.layout.remembered) >= _MOST_REMEMBERED:
            self.layout.remembered.clear()
        self.layout.remembered[place] = field

    def _odd_field(self, position: int, key: bytes, raw: bytes | None) -> Field:
        """A field whose key is not written as the spec has it, or that has no value."""
        written = self._undone(key)
        known = self.layout.by_name.get(written.upper())
        name = written if known is None else known.name
        if known is None and self.command is not None:
            self._note("field.undocumented", f"{self.command.name}: the {self.direction} has {written}", name)
        elif known is not None and known.name != written:
            self._note("field.case", f"{known.name} is written {written}", name)
        if raw is None:
            self._note("field.bare", f"segment {position + 1} is {written!r}, without =", name)
            return Field(name=name, spec=known, value=None, text="", raw=None, position=position)
        return self.valued(position, name, known, raw)

    def forget(self) -> None:
        """Begin anew with noting."""
        self.notes.clear()
        self._counts.clear()

    def valued(self, position: int, name: str, known: specs.Field | None, raw: bytes) -> Field:
        """The field that a pair of a key and a value is."""
        text = self._text(name, raw)
        # Line ends after the last value belong to no field: some clients end the body with them.
        if position == self.last and raw.endswith(b"\n"):
            text = text.rstrip("\r\n")
        value: Value
        if known is None:
            value = text or None
        elif known.list:
            value = self._items(name, known, text)
        else:
            value = self._item(name, known, text, known.layers == 2)
        return Field(name=name, spec=known, value=value, text=text, raw=raw, position=position)

    def _text(self, name: str, raw: bytes) -> str:
        """A value with the pair's layer undone, and notes of what is odd about its bytes."""
        if self.plain or texts.is_plain(raw):  # nine values of ten
            try:
                return raw.decode(self._usual_charset)
            except UnicodeDecodeError:
                pass
        decoded = texts.decode(texts.unescape(raw, self.plus), self.spec.wire.charsets)
        if texts.has_broken_escape(raw):
            self._note("text.escape", f"{name}: a % is not followed by two hex digits", name)
        if raw.find(b"+") >= 0:
            self._note("text.plus", f"{name}: + was read as {'a blank' if self.plus else 'a plus'}", name)
        if decoded.charset != self._usual_charset:
            self.charset = decoded.charset
            how = "in no known charset" if decoded.charset == texts.RAW else f"{decoded.charset}, not UTF-8"
            self._note("text.charset", f"{name} is {how}", name)
        return decoded.value

    def _items(self, name: str, known: specs.Field, text: str) -> tuple[Scalar, ...]:
        parts, complete = values.items(text, self.spec.wire.list_separator)
        if not complete:
            self._note("list.unterminated", f"{name}: the last item is not followed by a comma", name)
        if len(parts) > MOST_ITEMS:
            self._note("field.many", f"{name} has {len(parts)} items, the first {MOST_ITEMS} were read", name)
            parts = parts[:MOST_ITEMS]
        return tuple([self._item(name, known, part, True) for part in parts])

    def _item(self, name: str, known: specs.Field, text: str, layered: bool) -> Scalar:
        """One value, with the list's layer undone where it has it, and a note where it is not what it should be."""
        if layered and "%" in text:
            text = texts.unescape_item(text, self.spec.wire)
        value, fits = values.parse(text, known)
        if not fits or value is None or known.type == "code" or known.constants:
            self._check_value(name, known, value, fits)
        return value

    def _check_value(self, name: str, known: specs.Field, value: Scalar, fits: bool) -> None:
        if not fits:
            self._note("value.type", f"{name}: {value!r} is not of type {known.type}", name)
        elif value is None:
            if known.required and known.type != "text":
                self._note("value.empty", f"{name} is empty", name)
        elif known.type == "code" and self.spec.code(known, value) is None:
            self._note("code.unknown", f"{name}: {value} is not in table {known.codes}", name)
        elif known.constants and str(value) not in known.constants:
            self._note("value.constant", f"{name}: {value!r} is none of {', '.join(known.constants)}", name)

    def _check_roles(self, first: dict[str, Field]) -> None:
        roles = self.spec.roles
        if not self.name:
            self._note("command.missing", f"no {roles.command}", roles.command)
        elif self._named is None:
            self._note("command.unknown", f"{roles.command}={self.name}", roles.command)
        if not self.version:
            self._note("version.missing", f"no {roles.version}", roles.version)
        elif self.version not in self.spec.versions:
            self._note("version.unknown", f"{roles.version}={self.version}", roles.version)
        if self.direction == "request" and roles.account not in first:
            self._note("account.missing", f"no {roles.account}", roles.account)

    def _check_fields(self, fields: tuple[Field, ...], first: dict[str, Field]) -> None:
        if self.command is None:
            return
        if len(first) < len(fields):
            for name, count in Counter(field.name for field in fields).items():
                if count > 1:
                    self._note("field.duplicate", f"{name} stands there {count} times", name)
        self._check_missing(self.command, first)
        self._check_versions(fields, first)
        self._check_order(fields)

    def _check_missing(self, command: Command, first: dict[str, Field]) -> None:
        missing = [known for known in self.layout.required if known.name not in first and _holds(known, first)]
        if not missing:
            return
        if self.direction == "reply" and not self._status_ok(first):
            missing = [known for known in missing if known in self.spec.common.reply]
        for known in missing:
            self._note("field.missing", f"{command.name}: the {self.direction} has no {known.name}", known.name)

    def _status_ok(self, first: dict[str, Field]) -> bool:
        status = first.get(self.spec.roles.status)
        if status is None or status.spec is None:
            return True
        code = self.spec.code(status.spec, status.value)
        return code is not None and code.ok is not False

    def _check_versions(self, fields: tuple[Field, ...], first: dict[str, Field]) -> None:
        if self.direction == "reply":  # a reply says 1.1 whatever the request said
            return
        if self.layout.versioned.isdisjoint(first):
            return
        for field in fields:
            if field.spec is not None and field.spec.versions and self.version not in field.spec.versions:
                self._note("field.version", f"{field.name} belongs to {', '.join(field.spec.versions)}", field.name)

    def _check_order(self, fields: tuple[Field, ...]) -> None:
        order = self.layout.order
        places = [order[field.name] for field in fields if field.name in order]
        if places == sorted(places):
            return
        named = ((order[field.name], field.name) for field in fields if field.name in order)
        name = next(name for (before, _), (after, name) in pairwise(named) if after < before)
        self._note("field.order", f"{name} stands later than the spec has it", name)

    def _tables(self, first: dict[str, Field]) -> Iterator[Table]:
        for rows in self.layout.rows:
            columns = {name: first[name].value for name in rows.columns if name in first}
            lists = {name: value if isinstance(value, tuple) else () for name, value in columns.items()}
            if lists:
                yield self._table(rows, lists, first)

    def _table(self, rows: Rows, lists: dict[str, tuple[Scalar, ...]], first: dict[str, Field]) -> Table:
        lengths = {name: len(items) for name, items in lists.items()}
        length = max(lengths.values())
        if length != min(lengths.values()):
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            self._note("list.length", f"lists of one table differ: {told}")
        count = first[rows.count].value if rows.count is not None and rows.count in first else None
        if isinstance(count, int) and count != length:
            self._note("list.count", f"{rows.count} says {count}, there are {length}", rows.count)
        table = tuple([Row(cells=dict(zip(lists, cells, strict=True))) for cells in zip_longest(*lists.values())])
        self._check_cases(table, [name for name in lists if self.layout.by_name[name.upper()].cases])
        return Table(spec=rows, rows=table)

    def _check_cases(self, table: tuple[Row, ...], columns: Iterable[str]) -> None:
        """Hold the values of those columns whose meaning hangs on another against what they then can be."""
        for row in table:
            for name in columns:
                value = row.cells[name]
                case = case_of(self.layout.by_name[name.upper()], row.cells)
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
