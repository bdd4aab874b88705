"""Two messages side by side, field by field: what each says, how it is written, and where they are unlike.

Law: total; a value of a secret field never leaves here, also not as bytes. What is shown is cut, and passes `visible`
where it is printed. Fields stand in the order of the first message, those of the second alone where they stood. What
repeats its own request is no difference, whatever the other side's request said.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from qqlab import http1, wire, wording
from qqlab.codec import Decoded, Field, Message, Value, decode
from qqlab.diff.values import said
from qqlab.exchange import Exchange
from qqlab.findings.context import Sides
from qqlab.redact import Redactor
from qqlab.spec import DIRECTIONS, Direction, Spec

Mark = Literal["same", "written", "differs", "missing", "extra", "wrong"]

_LONGEST = 400
_MOST_ITEMS = 100
_MOST_ROWS = 200
_MOST_RAW = 4000
_MASK = b"(secret)"

_Place = tuple[str, int]
"""A field's name, and which of that name it is."""


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
    """One direction of both exchanges: the first fields, how many there are `more`, and whether all are `alike`. `raw`
    holds each side's bytes as text, None where that side has no message."""

    direction: Direction
    rows: tuple[Row, ...]
    more: int
    alike: bool
    raw: tuple[str | None, str | None]


class Beside:
    """Puts exchanges side by side, their secrets gone."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._redactor = Redactor(spec)
        self._secret = wording.secret_names(spec)

    def pairs(self, sides: Sides, miscounted: Container[str] = ()) -> list[Pair]:
        """Both directions, as far as there are any. `miscounted` are counts in replies that do not fit their rows."""
        exchanges = [None if one is None else self._redactor.exchange(one) for one in sides]
        decoded = [None if one is None else decode(one, self._spec) for one in exchanges]
        made = (self._pair(direction, exchanges, decoded, miscounted) for direction in DIRECTIONS)
        return [pair for pair in made if pair.raw != (None, None)]

    def _pair(
        self,
        direction: Direction,
        exchanges: Sequence[Exchange | None],
        decoded: Sequence[Decoded | None],
        miscounted: Container[str],
    ) -> Pair:
        left, right = (None if one is None else self._raw(*one, direction) for one in _both(exchanges, decoded))
        rows = [
            row._replace(mark="wrong")
            if direction == "reply" and row.mark == "same" and row.name in miscounted
            else row
            for row in self._rows(direction, decoded)
        ]
        alike = all(row.mark == "same" for row in rows) and (bool(rows) or left == right)
        return Pair(direction, tuple(rows[:_MOST_ROWS]), max(0, len(rows) - _MOST_ROWS), alike, (left, right))

    def _raw(self, exchange: Exchange, decoded: Decoded, direction: Direction) -> str | None:
        """A message as text: its head, its body with secrets masked, and behind a reply the error that came of it."""
        told = exchange.request if direction == "request" else exchange.reply
        text = ""
        if told is not None:
            content = http1.content(told)
            body = self._masked(told.body if content is None else content, _of(decoded, direction))
            text = (told.head + body).decode("utf-8", "replace")
        if direction == "reply" and exchange.error is not None:
            text += f"\n({exchange.error})"
        if told is None and not text:
            return None
        return text if len(text) <= _MOST_RAW else f"{text[:_MOST_RAW]}… ({len(text):,} characters)"

    def _masked(self, body: bytes, message: Message | None) -> bytes:
        masked = {f.position for f in (message.fields if message else ()) if wording.is_secret(f, self._secret)}
        pairs = enumerate(wire.split(body))
        return wire.join(pair._replace(value=_MASK) if at in masked and pair.value else pair for at, pair in pairs)

    def _rows(self, direction: Direction, decoded: Sequence[Decoded | None]) -> Iterator[Row]:
        """The fields of both messages."""
        messages = [None if one is None else _of(one, direction) for one in decoded]
        left, right = (_numbered(message) for message in messages)
        values = [{} if message is None else message.values() for message in messages]
        for place in _order(left, right):
            sides = left.get(place), right.get(place)
            mark = self._mark(*sides)
            if mark == "differs" and self._follows(direction, sides, decoded):
                mark = "same"
            known = next(field.spec for field in sides if field is not None)
            yield Row(place[0], "" if known is None else known.doc, *self._cells(sides, values, mark), mark)

    def _mark(self, left: Field | None, right: Field | None) -> Mark:
        if left is None or right is None:
            return "extra" if left is None else "missing"
        if wording.is_secret(left, self._secret):
            return "same"
        if left.value != right.value:
            return "differs"
        return "same" if left.raw == right.raw else "written"

    def _follows(self, direction: Direction, sides: Sequence[Field | None], decoded: Sequence[Decoded | None]) -> bool:
        """Whether two fields differ only as they must: a sequence number is made anew, and replies repeat it."""
        if direction == "request":
            return sides[0] is not None and sides[0].name == self._spec.roles.sequence
        for field, one in zip(sides, decoded, strict=True):
            if field is None or field.spec is None or not field.spec.echo or one is None or one.request is None:
                return False
            if one.request.text(field.name) != field.text.strip(" "):
                return False
        return True

    def _cells(
        self, sides: Sequence[Field | None], values: Sequence[Mapping[str, Value]], mark: Mark
    ) -> tuple[Cell | None, Cell | None]:
        left, right = (self._texts(field, beside) for field, beside in zip(sides, values, strict=True))
        unlike = _unlike(left, right) if mark == "differs" else (frozenset[int](), frozenset[int]())
        return self._cell(sides[0], left, unlike[0]), self._cell(sides[1], right, unlike[1])

    def _texts(self, field: Field | None, beside: Mapping[str, Value]) -> list[str]:
        """A field's value as texts: one, or one for each item of a list."""
        if field is None:
            return []
        if wording.is_secret(field, self._secret):
            return [_MASK.decode()]
        items = field.value if isinstance(field.value, tuple) else (field.value,)
        return [said(item, field.spec, self._spec, beside)[:_LONGEST] for item in items]

    def _cell(self, field: Field | None, texts: list[str], unlike: frozenset[int]) -> Cell | None:
        if field is None:
            return None
        pieces = [Piece(text, place in unlike) for place, text in enumerate(texts[:_MOST_ITEMS])]
        if len(texts) > _MOST_ITEMS:
            pieces.append(Piece(f"… and {len(texts) - _MOST_ITEMS:,} more"))
        return Cell(tuple(pieces), None if wording.is_secret(field, self._secret) else _written(field))


def _both(
    exchanges: Sequence[Exchange | None], decoded: Sequence[Decoded | None]
) -> Iterator[tuple[Exchange, Decoded] | None]:
    for exchange, one in zip(exchanges, decoded, strict=True):
        yield None if exchange is None or one is None else (exchange, one)


def _of(decoded: Decoded, direction: Direction) -> Message | None:
    return decoded.request if direction == "request" else decoded.reply


def _numbered(message: Message | None) -> dict[_Place, Field]:
    """The fields by their places."""
    told: dict[_Place, Field] = {}
    seen: dict[str, int] = {}
    for field in () if message is None else message.fields:
        seen[field.name] = seen.get(field.name, -1) + 1
        told[field.name, seen[field.name]] = field
    return told


def _order(left: Mapping[_Place, Field], right: Mapping[_Place, Field]) -> Iterator[_Place]:
    """All places: those of the left in order, those of the right alone behind what they stand behind there."""
    behind: dict[_Place | None, list[_Place]] = {}
    last: _Place | None = None
    for place in right:
        if place in left:
            last = place
        else:
            behind.setdefault(last, []).append(place)
    yield from behind.get(None, ())
    for place in left:
        yield place
        yield from behind.get(place, ())


def _unlike(left: list[str], right: list[str]) -> tuple[frozenset[int], frozenset[int]]:
    """Which items of two lists have no counterpart."""
    matcher = SequenceMatcher(None, left[:_MOST_ITEMS], right[:_MOST_ITEMS], autojunk=False)
    blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    return (
        frozenset(place for _, start, end, _, _ in blocks for place in range(start, end)),
        frozenset(place for _, _, _, start, end in blocks for place in range(start, end)),
    )


def _written(field: Field) -> str | None:
    """The value as it was written, where its text does not show that."""
    if field.raw is None:
        return f"{field.name} without ="
    raw = field.raw.decode("utf-8", "replace")
    return None if raw == field.text else raw[:_LONGEST]
