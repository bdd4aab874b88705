"""Two messages side by side, field by field: what each says, how it is written, and where they are unlike.

Law: total; a value of a secret field never leaves here, also not as bytes. What is shown is cut, and passes `visible`
where it is printed. Fields stand in the order of the first message, those of the second alone where they stood.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from qqlab import http1, wire, wording
from qqlab.codec import Decoded, Field, Message, Value, decode
from qqlab.diff.values import said
from qqlab.exchange import Exchange, RawMessage
from qqlab.findings.context import Sides
from qqlab.redact import Redactor
from qqlab.spec import DIRECTIONS, Direction, Spec

Mark = Literal["same", "written", "differs", "missing", "extra"]

_LONGEST = 400
_MOST_ITEMS = 100
_MOST_ROWS = 200
_RAW = 4000
_MASK = "••••"


class Piece(NamedTuple):
    """A part of a value, and whether the other side has another one there."""

    text: str
    unlike: bool = False


class Cell(NamedTuple):
    """What one side has: the value in pieces (one for each item of a list), and as it was written where that is not
    the same text."""

    pieces: tuple[Piece, ...]
    raw: str | None = None


class Row(NamedTuple):
    """One field of both messages; `doc` is what the spec says of it."""

    name: str
    doc: str
    expected: Cell | None
    actual: Cell | None
    mark: Mark


class Pair(NamedTuple):
    """One direction of both exchanges. `raw` holds each side's bytes as text, None where that side has no message."""

    direction: Direction
    rows: tuple[Row, ...]
    more: int
    raw: tuple[str | None, str | None]

    @property
    def alike(self) -> bool:
        """Whether nothing is unlike."""
        return all(row.mark == "same" for row in self.rows) and self.raw[0] == self.raw[1]


def beside(sides: Sides, spec: Spec, redactor: Redactor) -> list[Pair]:
    """Both directions, as far as there are any."""
    exchanges = [None if one is None else redactor.exchange(one) for one in sides]
    decoded = [None if one is None else decode(one, spec) for one in exchanges]
    pairs = (_pair(direction, exchanges, decoded, spec) for direction in DIRECTIONS)
    return [pair for pair in pairs if pair.raw != (None, None)]


def _pair(
    direction: Direction, exchanges: Sequence[Exchange | None], decoded: Sequence[Decoded | None], spec: Spec
) -> Pair:
    messages = [None if one is None else _of(one, direction) for one in decoded]
    secret = wording.secret_names(spec)
    raw = [
        None if one is None else _raw(one, direction, message, secret)
        for one, message in zip(exchanges, messages, strict=True)
    ]
    rows = list(_rows(messages, spec, secret))
    return Pair(direction, tuple(rows[:_MOST_ROWS]), max(0, len(rows) - _MOST_ROWS), (raw[0], raw[1]))


def _of(decoded: Decoded, direction: Direction) -> Message | None:
    return decoded.request if direction == "request" else decoded.reply


def _raw(exchange: Exchange, direction: Direction, message: Message | None, secret: frozenset[str]) -> str | None:
    """A message as text: its head, and its body with secrets masked; the error behind a reply that has one."""
    told: RawMessage | None = exchange.request if direction == "request" else exchange.reply
    parts = []
    if told is not None:
        body = http1.content(told)
        pairs = list(wire.split(told.body if body is None else body))
        masked = {field.position for field in (message.fields if message else ()) if wording.is_secret(field, secret)}
        shown = [
            pair._replace(value=_MASK.encode()) if place in masked and pair.value else pair
            for place, pair in enumerate(pairs)
        ]
        parts = [told.head.decode("utf-8", "replace"), wire.join(shown).decode("utf-8", "replace")]
    if direction == "reply" and exchange.error is not None:
        parts.append(f"\n[{exchange.error}]")
    text = "".join(parts)
    if told is None and not text:
        return None
    return text if len(text) <= _RAW else f"{text[:_RAW]}… ({len(text):,} characters)"


def _rows(messages: Sequence[Message | None], spec: Spec, secret: frozenset[str]) -> Iterator[Row]:
    """The fields of both messages."""
    fields = [_numbered(message) for message in messages]
    values = [message.values() if message is not None else {} for message in messages]

    def row(place: tuple[str, int]) -> Row:
        left, right = (side.get(place) for side in fields)
        sides = [_texts(field, spec, secret, beside) for field, beside in zip((left, right), values, strict=True)]
        known = (left or right or next(iter(fields[0].values()))).spec
        mark = _mark(left, right, secret)
        return Row(
            place[0],
            "" if known is None else known.doc,
            *_cells(sides, (left, right), unlike=mark == "differs", secret=secret),
            mark,
        )

    order = list(fields[0])
    before: tuple[str, int] | None = None
    for place in fields[1]:
        if place not in fields[0]:
            order.insert(0 if before is None else order.index(before) + 1, place)
        before = place
    yield from map(row, order)


def _numbered(message: Message | None) -> dict[tuple[str, int], Field]:
    """The fields by name, the occurrences of one name told apart by a number."""
    told: dict[tuple[str, int], Field] = {}
    seen: dict[str, int] = {}
    for field in () if message is None else message.fields:
        seen[field.name] = seen.get(field.name, -1) + 1
        told[field.name, seen[field.name]] = field
    return told


def _mark(left: Field | None, right: Field | None, secret: frozenset[str]) -> Mark:
    if left is None or right is None:
        return "extra" if left is None else "missing"
    if wording.is_secret(left, secret):
        return "same"
    if left.value != right.value:
        return "differs"
    return "same" if left.raw == right.raw else "written"


def _texts(field: Field | None, spec: Spec, secret: frozenset[str], values: dict[str, Value]) -> list[str] | None:
    """A field's value as texts: one, or one for each item of a list."""
    if field is None:
        return None
    if wording.is_secret(field, secret):
        return ["(secret)"]
    items = field.value if isinstance(field.value, tuple) else (field.value,)
    return [said(item, field.spec, spec, values)[:_LONGEST] for item in items]


def _cells(
    texts: Sequence[list[str] | None], fields: Sequence[Field | None], *, unlike: bool, secret: frozenset[str]
) -> tuple[Cell | None, Cell | None]:
    left, right = texts
    marked: tuple[set[int], set[int]] = set(), set()
    if unlike and left is not None and right is not None:
        for tag, i, i_end, j, j_end in SequenceMatcher(
            None, left[:_MOST_ITEMS], right[:_MOST_ITEMS], autojunk=False
        ).get_opcodes():
            if tag != "equal":
                marked[0].update(range(i, i_end))
                marked[1].update(range(j, j_end))
    cells = [
        None if field is None or text is None else Cell(_pieces(text, at), _written(field, text, secret))
        for text, field, at in zip(texts, fields, marked, strict=True)
    ]
    return cells[0], cells[1]


def _pieces(texts: list[str], marked: set[int]) -> tuple[Piece, ...]:
    pieces = [Piece(text, place in marked) for place, text in enumerate(texts[:_MOST_ITEMS])]
    if len(texts) > _MOST_ITEMS:
        pieces.append(Piece(f"… and {len(texts) - _MOST_ITEMS:,} more"))
    return tuple(pieces)


def _written(field: Field, texts: list[str], secret: frozenset[str]) -> str | None:
    """The value as it was written, where the text does not show that."""
    if wording.is_secret(field, secret):
        return None
    if field.raw is None:
        return f"{field.name} without ="
    raw = field.raw.decode("utf-8", "replace")
    return None if raw in (field.text, texts[0]) and "%" not in raw else raw[:_LONGEST]
