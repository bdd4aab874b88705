"""Exchanges of one kind: what decoding says of one of them holds for all, but for their values.

Law: the facts of a kind are read off an example that `decode_anew` has understood, and its values are read as decoding
reads them: what comes out is what decoding would give. Whatever might make decoding say more of an exchange than its
kind and its values do (a note, an error, a cut, a repetition that does not repeat, lists of different length) keeps it
out: such an exchange is of no kind, and is to be decoded. What is kept is bounded.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from qqlab import http1
from qqlab.codec.decode import Decoded, decode_anew, role_text
from qqlab.codec.message import Field, Message, Row, Table, ValueReader, case_of
from qqlab.codec.text import plus_is_blank
from qqlab.codec.values import Value
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Direction, Spec
from qqlab.spec import Field as Known

# Both bodies together, in bytes: what is longer is rare enough to be decoded.
_LONGEST = 65_536
_MOST_HEADS = 4096
_MOST_KINDS = 2048
_MOST_WAITING = 2_000
# Characters of all that tells a shape or a kind from another.
_LONGEST_KEY = 1000
# So many exchanges of a shape or a kind are decoded, that give no example, before none is looked for any more.
_PATIENCE = 8
# Values that are remembered of each field, and how long they may be.
_MOST_VALUES = 2048
_LONGEST_VALUE = 2048
# A number of so many digits is of every type that numbers have.
_MOST_DIGITS = 18
# Codes of a message by which its kind is told; of a message that has more there would be too many kinds.
_MOST_CODES = 3

_BUT_MARKS = bytes(each for each in range(256) if each not in b"&=")
# What is noted of the fields that there are, and of the values by which kinds are told: all of a kind have it.
_OF_KIND = frozenset(("text.plus", "field.order", "field.missing", "field.version"))

Parts = list[bytes]
Read = tuple[Value, str] | None


class Column(msgspec.Struct, frozen=True, gc=False):
    """A field whose value differs within a kind: where its value stands among the parts of the exchange, and the field
    among those of its message. `plus` tells whether `+` is a blank in it. `read` is what was made of values before.
    Any digits are a value of what `is_number`."""

    direction: Direction
    known: Known
    part: int
    place: int
    plus: bool
    read: dict[bytes, Read]
    is_number: bool


class Lists(NamedTuple):
    """A table: the columns of those of its lists that differ within a kind, and of the field that tells their length;
    and that length, where it is the same in all of the kind."""

    columns: tuple[Column, ...]
    counting: Column | None
    length: int | None


class Kind:
    """Exchanges whose messages have the same fields at the same places, and the same values where others hang on them.

    `example` is one of them, understood: what it says of anything but the `columns` and the rows of `tables`, it says
    of all. Of the columns, `numbers` may have any digits, `checked` are to be looked at; what is read alike stands
    there once. `digits` gets the numbers.
    """

    __slots__ = ("checked", "columns", "digits", "example", "numbers", "tables")

    def __init__(self, example: Decoded, columns: tuple[Column, ...], tables: tuple[Lists, ...]) -> None:
        self.example = example
        self.columns = columns
        self.tables = tables
        once = {(column.part, id(column.read)): column for column in columns}.values()
        self.numbers = tuple(column for column in once if column.is_number and not self._is_empty(column))
        self.checked = tuple(
            (column.part, column.read, column) for column in once if not column.is_number or self._is_empty(column)
        )
        places = sorted({column.part for column in self.numbers})
        self.digits: Callable[[Parts], Sequence[bytes]] = (
            itemgetter(*places)
            if len(places) > 1
            else itemgetter(slice(places[0], places[0] + 1) if places else slice(0))
        )

    def _is_empty(self, column: Column) -> bool:
        """Whether a column is empty, in this exchange as in all others."""
        message = self.example.request if column.direction == "request" else self.example.reply
        return message is None or not message.fields[column.place].raw

    def cell(self, direction: Direction, name: str) -> "Cell | None":
        """Where a field stands; None where none of the kind has it."""
        message = self.example.request if direction == "request" else self.example.reply
        if message is None or message.get(name) is None:
            return None
        column = next((one for one in self.columns if one.direction == direction and one.known.name == name), None)
        return Cell(column, message.value(name), message.text(name))

    def role(self, name: str) -> "Cell | None":
        """Where the field of a role stands, of which the request says it, or else the reply."""
        asked = self.cell("request", name)
        return self.cell("reply", name) if asked is None or asked.text is None else asked


class Cell(NamedTuple):
    """A field of the exchanges of a kind: its column, or None where all have the value and the text of the example."""

    column: Column | None
    value: Value
    text: str | None


class _Places(NamedTuple):
    """Which parts of an exchange are what.

    `fields` are those of both messages, by direction and name. The values in `bound` tell a kind from another, those in
    `cased` do where others say that they are codes. Of each pair in `echoes`, the second repeats the first.
    """

    fields: dict[tuple[Direction, str], int]
    bound: list[int]
    cased: list[int]
    echoes: list[tuple[int, int]]


class _Shape:
    """Exchanges whose messages have the same fields at the same places.

    `marks` are the `&` and `=` of both bodies, `ends` counts the parts that are empty in all of them. `kinds` has the
    kinds by their values, None where `cased` decides; numbers count the exchanges of those without an example so far.
    """

    __slots__ = ("bound", "cased", "ends", "kinds", "marks", "places", "repeated", "repeating")

    def __init__(self, places: _Places, names: tuple[Any, ...]) -> None:
        self.places = places
        self.ends = names.count(b"")
        self.marks = b"&".join([b"=" for _ in places.fields]) + b"&" * self.ends
        self.bound = _getter(places.bound)
        self.cased = _getter(places.cased)
        self.repeated = _getter([asked for asked, _ in places.echoes])
        self.repeating = _getter([said for _, said in places.echoes])
        self.kinds: dict[Any, Kind | int | None] = {}

    def key(self, parts: Parts, before: bytes, behind: bytes) -> Any:
        """By what the kind of such an exchange is told: values, which ones are empty, and what `+` is in which."""
        key = self.bound(parts)
        if parts.count(b"") > self.ends:
            key = key, tuple([part == b"" for part in parts])
        if before.find(b"+") >= 0 or behind.find(b"+") >= 0:
            key = key, plus_is_blank(before), plus_is_blank(behind), tuple([b"+" in part for part in parts])
        return key


class Kinds:
    """The kinds that were seen so far."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._reader = ValueReader(spec)
        self._lengths: dict[bytes, int] = {}
        self._shapes: dict[tuple[Any, ...], _Shape | int] = {}
        self._values: dict[tuple[Any, bool], dict[bytes, Read]] = {}
        self._waiting = 0
        self._count = 0

    def find(self, exchange: Exchange) -> tuple[Kind, Parts] | None:
        """The kind of an exchange, and its parts; None where it is of no kind."""
        asked, said = exchange.request, exchange.reply
        if asked is None or said is None or exchange.error is not None:
            return None
        before, behind = asked.body, said.body
        lengths = self._lengths
        is_usual = lengths.get(asked.head) == len(before) and lengths.get(said.head) == len(behind)
        if not is_usual or asked.chunked or said.chunked or asked.cut is not None or said.cut is not None:
            is_usual = self._is_plain(asked) and self._is_plain(said)
        if not is_usual:
            return None
        # Both at once, which takes half the time. A `&` at the end of the request stands for the one between them.
        count, whole = before.count(b"&"), before + b"&" + behind
        if before[-1:] == b"&":
            count, whole = -count, before + behind
        if len(whole) > _LONGEST:
            return None
        parts = whole.replace(b"&", b"=").split(b"=")
        shape = self._shapes.get((count, *parts[::2]), 0)
        if type(shape) is not _Shape or shape.marks != whole.translate(None, _BUT_MARKS):
            careful = _parts(whole)
            if careful is None:
                return None
            parts = careful
            names = count, *parts[::2]
            shape = self._shapes.get(names, 0)
            if type(shape) is not _Shape:
                self._new_shape(exchange, names, parts)
                return None
        if shape.repeated(parts) != shape.repeating(parts):
            return None
        key = shape.bound(parts)
        if parts.count(b"") > shape.ends or whole.find(b"+") >= 0:
            key = shape.key(parts, before, behind)
        kind, is_cased = shape.kinds.get(key, 0), False
        if kind is None:
            key, is_cased = (key, shape.cased(parts)), True
            kind = shape.kinds.get(key, 0)
        if type(kind) is not Kind:
            if self._count < _MOST_KINDS and self._is_worth(shape.kinds, key):
                self._new_kind(self._example(exchange), shape, key, parts, is_cased=is_cased)
            return None
        return (kind, parts) if self._bear_out(kind, parts) else None

    def texts(self, column: Column, raws: Collection[bytes]) -> list[str] | None:
        """The values of a column, where all of them are texts of digits; None where each is to be read."""
        if not column.is_number or column.known.type != "digits" or b"" in raws:
            return None
        if not b"".join(raws).isdigit() or max(map(len, raws)) > _MOST_DIGITS:
            return None
        return [raw.decode() for raw in raws]

    def read(self, column: Column, raw: bytes) -> Read:
        """A value of a column, and its text; None where the exchange is to be decoded for it."""
        known = column.read
        if column.is_number and raw.isdigit() and len(raw) <= _MOST_DIGITS:
            text = raw.decode()
            return int(text) if column.known.type == "int" else text, text
        if raw in known:
            return known[raw]
        read = self._reader.read(raw, column.known, plus=column.plus)
        if len(raw) <= _LONGEST_VALUE:
            if len(known) >= _MOST_VALUES:
                known.clear()
            known[raw] = read
        return read

    def value(self, cell: Cell, parts: Parts) -> Value:
        """The value of a field in an exchange."""
        if cell.column is None:
            return cell.value
        read = self.read(cell.column, parts[cell.column.part])
        return None if read is None else read[0]

    def text(self, cell: Cell, parts: Parts) -> str | None:
        """The value as text; None where it is empty."""
        if cell.column is None:
            return cell.text
        read = self.read(cell.column, parts[cell.column.part])
        return None if read is None else read[1] or None

    def _bear_out(self, kind: Kind, parts: Parts) -> bool:
        """Whether there is nothing to note of values, the lists of each table are of one length, and as long as a field
        says."""
        whole = b"".join(kind.digits(parts))
        if not whole.isdigit() or len(whole) > _MOST_DIGITS:
            for column in kind.numbers:
                raw = parts[column.part]
                if not (raw.isdigit() and len(raw) <= _MOST_DIGITS) and self.read(column, raw) is None:
                    return False
        for part, known, column in kind.checked:
            if known.get(parts[part]) is None and self.read(column, parts[part]) is None:
                return False
        return not kind.tables or all(self._agree(table, parts) for table in kind.tables)

    def _agree(self, table: Lists, parts: Parts) -> bool:
        wanted = table.length
        for column in table.columns:
            raw = parts[column.part]
            read = column.read.get(raw) or self.read(column, raw)
            if read is None or type(read[0]) is not tuple or (wanted is not None and len(read[0]) != wanted):
                return False
            wanted = len(read[0])
        if table.counting is None:
            return True
        read = self.read(table.counting, parts[table.counting.part])
        return read is not None and read[0] == wanted

    def decode(self, exchange: Exchange) -> Decoded | None:
        """What `decode_anew` says of an exchange of a kind; None where it is of none."""
        found = self.find(exchange)
        return None if found is None else self.decoded(*found)

    def decoded(self, kind: Kind, parts: Parts) -> Decoded:
        """An exchange that was found to be of that kind, understood."""
        example = kind.example
        request, reply = example.request, example.reply
        assert request is not None
        assert reply is not None
        asked, said = list(request.fields), list(reply.fields)
        for column in kind.columns:
            raw = parts[column.part]
            read = self.read(column, raw)
            assert read is not None
            fields = asked if column.direction == "request" else said
            name, known, place = column.known.name, column.known, column.place
            fields[place] = Field(name=name, spec=known, value=read[0], text=read[1], raw=raw, position=place)
        request, reply = _with_fields(request, asked), _with_fields(reply, said)
        account = role_text(self.spec.roles.account, request, reply)
        sequence = role_text(self.spec.roles.sequence, request, reply)
        return msgspec.structs.replace(example, request=request, reply=reply, account=account, sequence=sequence)

    def _is_plain(self, message: RawMessage) -> bool:
        """Whether nothing is to be said of a message but what its body says. Heads that say so are remembered."""
        if not http1.is_plain(message) or http1.status(message) not in (None, http1.OK):
            return False
        if message.head:
            if len(self._lengths) >= _MOST_HEADS:
                self._lengths.clear()
            self._lengths[message.head] = len(message.body)
        return True

    def _new_shape(self, exchange: Exchange, names: tuple[Any, ...], parts: Parts) -> None:
        """Look at an exchange of a shape of which there is no example, from the second one on."""
        if self._count >= _MOST_KINDS or not self._is_worth(self._shapes, names):
            return
        example = self._example(exchange)
        places = None if example is None else _places(example, self.spec)
        if places is not None and exchange.request is not None and exchange.reply is not None:
            shape = self._shapes[names] = _Shape(places, names)
            key = shape.key(parts, exchange.request.body, exchange.reply.body)
            self._new_kind(example, shape, key, parts, is_cased=False)

    def _new_kind(self, example: Decoded | None, shape: _Shape, key: Any, parts: Parts, *, is_cased: bool) -> None:
        """Take an exchange for the example of its kind, where there is nothing to note of it."""
        if example is None:
            return
        if not is_cased and shape.places.cased and _has_cases(example, self.spec):
            shape.kinds[key] = None
            key, is_cased = (key, shape.cased(parts)), True
        self._count += 1
        shape.kinds[key] = self._kind(example, shape.places, is_cased=is_cased)

    def _is_worth(self, tries: dict[Any, Any], key: Any) -> bool:
        """Whether to decode an exchange for an example: not the first of its kind, and not too often in vain."""
        count = tries.get(key, 0)
        if count == 0:
            if len(repr(key)) > _LONGEST_KEY:
                return False
            self._waiting += 1
            if self._waiting > _MOST_WAITING:
                self._forget()
        if count <= _PATIENCE:
            tries[key] = count + 1
        return bool(0 < count <= _PATIENCE)

    def _forget(self) -> None:
        """Those that were no more than begun make room."""
        self._waiting = 0
        for names, shape in list(self._shapes.items()):
            if isinstance(shape, int):
                del self._shapes[names]
            else:
                for key in [key for key, kind in shape.kinds.items() if isinstance(kind, int)]:
                    del shape.kinds[key]

    def _example(self, exchange: Exchange) -> Decoded | None:
        decoded = decode_anew(exchange, self.spec)
        return decoded if all(note.code in _OF_KIND for note in decoded.notes) else None

    def _kind(self, example: Decoded, places: _Places, *, is_cased: bool) -> Kind:
        bound = {*places.bound, *(places.cased if is_cased else ())}
        repeated = {said: asked for asked, said in places.echoes}
        columns = []
        for message in example.messages():
            for place, field in enumerate(message.fields):
                part = places.fields[message.direction, field.name]
                if part not in bound and field.spec is not None:
                    read = self._values.setdefault((_reading(field.spec), message.plus), {})
                    part = repeated.get(part, part)
                    columns.append(
                        Column(message.direction, field.spec, part, place, message.plus, read, _is_number(field.spec))
                    )
        return Kind(example, tuple(columns), tuple(_lists(example, columns)))


def kinds_of(spec: Spec) -> Kinds:
    """The kinds of a spec's exchanges that this process has seen."""
    kinds: Kinds = spec.kinds.setdefault(Kinds, None) or Kinds(spec)
    spec.kinds[Kinds] = kinds
    return kinds


def _parts(whole: bytes) -> Parts | None:
    """The keys and values by turns, with a `=` in values; None where there is a pair without one."""
    parts: Parts = []
    segments = whole.split(b"&")
    end = segments.pop() if segments[-1] == b"" else None
    for segment in segments:
        key, equals, value = segment.partition(b"=")
        if not equals:
            return None
        parts += (key, value)
    return parts if end is None else [*parts, end]


def _is_number(known: Known) -> bool:
    return known.type in ("digits", "int") and not (known.list or known.constants or known.codes)


def _reading(known: Known) -> tuple[Any, ...]:
    """All that the reading of a value hangs on: what is the same for two fields gives the same."""
    return known.type, known.list, known.layers, known.codes, known.constants, known.required


def _getter(places: Sequence[int]) -> Callable[[Parts], Any]:
    return itemgetter(*places) if places else itemgetter(slice(0, 0))


def _places(example: Decoded, spec: Spec) -> _Places | None:
    """Which parts of an exchange like this one are what; None where it has fields or lists that do not fit."""
    request, reply = example.request, example.reply
    if request is None or reply is None or example.spec is None or example.spec is not reply.command:
        return None
    fields: dict[tuple[Direction, str], int] = {}
    bound, cased, part = set(), [], 1
    for message in (request, reply):
        binding = _binding(message, spec)
        columns = {name for table in message.tables for name in table.spec.columns}
        for field in message.fields:
            if field.spec is None or field.raw is None or (field.name in columns and not field.spec.list):
                return None
            fields[message.direction, field.name] = part
            if field.name in binding:
                bound.add(part)
            elif field.spec.cases:
                cased.append(part)
            part += 2
    echoed = {field.name for command in (reply.command, None) for field in spec.layout(command, "reply").echoed}
    echoes = [
        (fields["request", name], fields["reply", name])
        for name in sorted(echoed)
        if ("request", name) in fields and ("reply", name) in fields
    ]
    loose = [(asked, said) for asked, said in echoes if not (asked in bound and said in bound)]
    return _Places(fields, sorted(bound), cased, loose)


def _binding(message: Message, spec: Spec) -> set[str]:
    """The names of those fields of a message by whose values its kind is told: others hang on them."""
    known = spec.layout(message.command, message.direction).by_name.values()
    codes = [field for field in known if field.codes is not None and not field.list]
    few = len(codes) <= _MOST_CODES
    return {
        *(spec.roles.command, spec.roles.version, spec.roles.status),
        *(name for field in known for name in field.when),
        *(case.field for field in known for case in field.cases),
        *(field.name for field in codes if few or (field.codes is not None and spec.codes[field.codes].judges)),
    }


def _has_cases(example: Decoded, spec: Spec) -> bool:
    """Whether values of rows are codes because others say so."""
    for message in example.messages():
        layout = spec.layout(message.command, message.direction)
        for table in message.tables:
            fields = [layout.by_name[name.upper()] for name in table.spec.columns if name.upper() in layout.by_name]
            for row in table.rows:
                cases = (case_of(field, row.cells) for field in fields if field.cases)
                if any(case is not None and case.codes is not None for case in cases):
                    return True
    return False


def _lists(example: Decoded, columns: list[Column]) -> Iterator[Lists]:
    for message in example.messages():
        own = {column.known.name: column for column in columns if column.direction == message.direction}
        for table in message.tables:
            lists = [name for name in table.spec.columns if message.get(name) is not None]
            counted = table.spec.count if table.spec.count is not None and message.get(table.spec.count) else None
            count = None if counted is None else message.value(counted)
            is_fixed = any(name not in own for name in lists) or (counted not in own and isinstance(count, int))
            yield Lists(
                columns=tuple(own[name] for name in lists if name in own),
                counting=None if counted is None or count is None else own.get(counted),
                length=len(table.rows) if is_fixed else None,
            )


def _with_fields(message: Message, fields: list[Field]) -> Message:
    """A message with other values, and the rows that they make."""
    first = {field.name: field for field in fields}
    tables = []
    for table in message.tables:
        lists = {name: first[name].value for name in table.spec.columns if name in first}
        rows = zip(*(value for value in lists.values() if isinstance(value, tuple)), strict=True)
        tables.append(
            Table(spec=table.spec, rows=tuple([Row(cells=dict(zip(lists, row, strict=True))) for row in rows]))
        )
    return msgspec.structs.replace(message, fields=tuple(fields), tables=tuple(tables))
