"""Who was present when: what is told of accounts, and the spans that follow from it.

Law: bounded: the accounts of the lowest rank are followed (`qqlab.profile.lowest`), and of their spans those of the
lowest accounts are kept. Where a stretch of the traffic begins it is not known whether its first sighting of an account
begins a span: so the first and the last span of a stretch are always kept, and joined with those beside it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from qqlab.codec import Cell, Decoded, Kind, Kinds, Message, Parts, Scalar, Table, Value, case_of
from qqlab.profile.adding import latest
from qqlab.profile.behaviour import PresenceTally
from qqlab.profile.tally import Cited, clip
from qqlab.spec import Direction, Field, Spec

# Spans of presence of which something is kept, and accounts that are followed.
SPANS = 500
ACCOUNTS = 1000


class Sighting(NamedTuple):
    """What an exchange tells of an account; `place` counts what it tells."""

    account: str
    table: str
    state: int
    place: int
    cited: Cited

    def span(self) -> PresenceTally:
        """The presence that begins with it."""
        label, time, at = self.cited
        return PresenceTally((at, self.place), self.account, self.table, self.state, clip(label), time, time)


class Presence(msgspec.Struct, array_like=True, gc=False):
    """An account over a stretch of at least one sighting. `count` is the number of its spans; `spans` are those that
    are kept, the first and the last always."""

    spans: list[PresenceTally]
    count: int = 1

    @property
    def at(self) -> int:
        """Where the stretch begins."""
        return self.spans[0].at[0]

    def add(self, seen: Sighting) -> None:
        """One more sighting."""
        now = self.spans[-1]
        now.until = latest(now.until, seen.cited.time)
        if now.state != seen.state:
            self.count += 1
            self.spans.append(seen.span())

    def then(self, after: "Presence") -> None:
        """The stretch right after this one, too."""
        now, head = self.spans[-1], after.spans[0]
        goes_on = now.state == head.state
        now.until = latest(now.until, head.until if goes_on else head.since)
        self.spans += after.spans[goes_on:]
        self.count += after.count - goes_on

    def trim(self, room: int) -> int:
        """Keep no more spans than there is room for, but the first and the last one; returns what room is left."""
        if len(self.spans) > room + 2:
            self.spans = [*self.spans[: room + 1], self.spans[-1]]
        return max(0, room - len(self.spans) + 1)


class _Place(NamedTuple):
    """Where a message tells of presence: the field with the code, and the one that says of whom."""

    field: Field
    whose: str | None


class Tells(NamedTuple):
    """What each exchange of a kind tells: of whom, and which state of a table. `row` is the row that tells it, `_EVERY`
    for each of them, None where no list does."""

    whose: Cell
    table: str
    state: Cell
    row: int | None


_EVERY = -1


class Sightings:
    """What exchanges tell of presence, by a spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.places: dict[tuple[str, Direction], list[_Place]] = {}
        for command, direction, field in spec.every_field():
            of_case = next((case.presence_of for case in field.cases if case.presence_of is not None), None)
            if command is not None and (field.presence_of is not None or of_case is not None):
                self.places.setdefault((command.name, direction), []).append(_Place(field, field.presence_of))

    def of_kind(self, kind: Kind, ok: bool | None) -> tuple[Tells, ...] | None:
        """What each exchange of a kind tells; None where that differs from one to the other."""
        decoded, known = kind.example, kind.example.spec
        if known is None:
            return ()
        asked = list(self._tells(kind, decoded.request)) if ok else []
        found = [*asked, *self._tells(kind, decoded.reply)]
        if known.presence is not None and ok and decoded.account is not None:
            if any(one.row is not None for one in asked):
                return None
            account = kind.role(self.spec.roles.account)
            if account is not None and not asked:
                found.append(Tells(account, known.presence.codes, Cell(None, known.presence.value, None), None))
        return tuple(found)

    def _tells(self, kind: Kind, message: Message | None) -> Iterator[Tells]:
        if message is None or message.command is None:
            return
        for telling in self.places.get((message.command.name, message.direction), ()):
            field, whose = telling.field, telling.whose
            if whose is not None and field.codes is not None and not field.list:
                account, state = kind.cell(message.direction, whose), kind.cell(message.direction, field.name)
                if account is not None and account.text is not None and state is not None and state.value is not None:
                    yield Tells(account, field.codes, state, None)
                continue
            for table in message.tables:
                if field.name in table.spec.columns:
                    yield from _tells_of_rows(kind, message, table, telling, self.spec)

    def told(self, tells: tuple[Tells, ...], kinds: Kinds, parts: Parts, cited: Cited) -> Iterator[Sighting]:
        """What an exchange of a kind tells."""
        place = 0
        for one in tells:
            for account, value in _pairs(one, kinds, parts):
                number = _number(value)
                if account is not None and number is not None:
                    yield Sighting(clip(str(account)), one.table, number, place, cited)
                    place += 1

    def of(self, decoded: Decoded, ok: bool | None, cited: Cited) -> Iterator[Sighting]:
        """What an exchange tells; `ok` is whether its reply tells success."""
        known, said, place = decoded.spec, False, 0
        if known is None:
            return
        for message in (decoded.request if ok else None, decoded.reply):
            if message is None or message.command is None:
                continue
            for telling in self.places.get((message.command.name, message.direction), ()):
                for account, table, state in _states(message, telling, self.spec):
                    said = said or message is decoded.request
                    yield Sighting(clip(account), table, state, place, cited)
                    place += 1
        if known.presence is not None and ok and not said and decoded.account is not None:
            yield Sighting(clip(decoded.account), known.presence.codes, known.presence.value, place, cited)


def _tells_of_rows(kind: Kind, message: Message, table: Table, telling: _Place, spec: Spec) -> Iterator[Tells]:
    """What the rows of each exchange of a kind tell: each of them the same, or what hangs on values that all have."""
    field = telling.field
    state = kind.cell(message.direction, field.name)
    if telling.whose is not None:
        whose = kind.cell(message.direction, telling.whose) if telling.whose in table.spec.columns else None
        if whose is not None and state is not None and field.codes is not None and table.rows:
            yield Tells(whose, field.codes, state, _EVERY)
        return
    for place, row in enumerate(table.rows):
        case, number = case_of(field, row.cells), _number(row.cells.get(field.name))
        if case is None or case.codes is None or case.presence_of not in row.cells or number is None:
            continue
        whose = kind.cell(message.direction, case.presence_of)
        if whose is not None and number in spec.codes[case.codes].by_value:
            yield Tells(whose, case.codes, Cell(None, number, None), place)


def _pairs(tells: Tells, kinds: Kinds, parts: Parts) -> Iterable[tuple[Scalar, Scalar]]:
    """The accounts, and what is told of each."""
    state = kinds.value(tells.state, parts)
    if tells.row is None:
        return ((kinds.text(tells.whose, parts), None if isinstance(state, tuple) else state),)
    accounts = _listed(kinds.value(tells.whose, parts))
    if tells.row == _EVERY:
        return zip(accounts, _listed(state), strict=True)
    return ((accounts[tells.row], None if isinstance(state, tuple) else state),)


def _listed(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else ()


def _states(message: Message, telling: _Place, spec: Spec) -> Iterator[tuple[str, str, int]]:
    """Whose presence a message tells: account, table and value of each."""
    field = telling.field
    if telling.whose is not None and field.codes is not None and not field.list:
        account, state = message.text(telling.whose), message.value(field.name)
        if account is not None and isinstance(state, int):
            yield account, field.codes, state
        return
    for table in message.tables:
        if field.name not in table.spec.columns:
            continue
        for row in table.rows:
            case = case_of(field, row.cells) if telling.whose is None else None
            whose = telling.whose if case is None else case.presence_of
            codes = field.codes if case is None else case.codes
            said = None if whose is None else row.cells.get(whose)
            number = _number(row.cells.get(field.name))
            if codes is None or said is None or number is None:
                continue
            # The text that is no code of its case is what people wrote.
            if case is None or number in spec.codes[codes].by_value:
                yield str(said), codes, number


def _number(value: Scalar) -> int | None:
    """The number of a code; of a text, where its case makes it one."""
    text = str(value).strip(" ")
    return value if isinstance(value, int) else int(text) if text.isdecimal() and len(text) < 10 else None
