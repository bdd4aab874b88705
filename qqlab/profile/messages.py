"""One message to counts: its fields, their values and codes, and the rules that it keeps or breaks.

Law: see `qqlab.profile.fold`; what is done here is done for every field of every message, so it looks at each value
once, and closely only at those that are new.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from qqlab.codec import Decoded, Field, Message, Note, Scalar, case_of
from qqlab.profile.masking import QUOTING, Masking, kind, shown
from qqlab.profile.model import CodeTally, Contradiction, FieldTally, MessageTally
from qqlab.profile.tally import LENGTH, Evidence, Held, clip
from qqlab.profile.values import DISTINCT, DISTINCT_UNKNOWN, Values
from qqlab.spec import Direction, Spec

# Notes that speak against what the spec says of fields.
CONTRADICTING = QUOTING | {"field.missing", "list.length"}
# Of them, those that a message which broke off gives for being cut.
CUT = frozenset(("field.missing", "list.length", "list.count"))


class Case(NamedTuple):
    """The exchange that a message is counted for.

    `at` is where it stands. `ok` is whether its reply tells success, None where it tells neither. `version` is None
    unless the spec has it.
    """

    label: str
    time: datetime | None
    at: int
    decoded: Decoded
    ok: bool | None
    version: str | None
    many: int = 1

    def cite(self, evidence: Evidence) -> None:
        """Count it."""
        evidence.add(self.label, self.time, self.at)

    def hold(self, held: Held, holds: bool | None) -> None:
        """Count whether it keeps a rule."""
        held.add(holds, self.label, self.time, self.at)

    def has_values(self, message: Message, field: Field) -> bool:
        """Whether the values of a field are those that are to be counted."""
        return True


class Cases(NamedTuple):
    """Exchanges that differ in values only: `varying` are the fields, by direction and name, whose values are to be
    counted for themselves. They are counted at once, as so many cases like that of `decoded`, which is one of them."""

    all: Evidence
    at: int
    decoded: Decoded
    ok: bool | None
    version: str | None
    varying: frozenset[tuple[Direction, str]]

    @property
    def many(self) -> int:
        """How many they are."""
        return self.all.count

    def cite(self, evidence: Evidence) -> None:
        """Count all of them."""
        evidence.merge(self.all)

    def hold(self, held: Held, holds: bool | None) -> None:
        """Count whether they keep a rule."""
        held.merge(
            Held(
                held=self.many if holds else 0,
                unchecked=self.many if holds is None else 0,
                broken=self.all if holds is False else Evidence(),
            )
        )

    def has_values(self, message: Message, field: Field) -> bool:
        """Whether all of them have these values of a field."""
        return (message.direction, field.name) not in self.varying


class MessageFold:
    """Counts messages by what a spec says of them."""

    def __init__(self, spec: Spec, masking: Masking) -> None:
        self.spec = spec
        self.masking = masking
        self.disputed = {name: table.disputed for name, table in spec.codes.items()}

    def add(self, case: Case | Cases, tally: MessageTally, message: Message, *, cut: bool) -> None:
        """Count a message of the protocol; `cut` tells that it is not all there."""
        tally.messages += case.many
        notes = [note for note in case.decoded.notes if note.direction == message.direction]
        self._fields(case, tally, message, case.ok is True and message.direction == "reply")
        if message.tables:
            self._cases(case, tally, message)
            if not cut:
                _rows(case, tally, message)
        self._contradictions(case, tally, message, notes, cut=cut)
        self._rules(case, tally, message, notes)

    def _fields(self, case: Case | Cases, tally: MessageTally, message: Message, ok: bool) -> None:
        at, count, version, tallies = case.at, case.many, case.version, tally.fields
        tally.ok += ok * count
        done: dict[str, bool] = {}  # whether the field had a value so far in this message
        for place, field in enumerate(message.fields, 1):
            known = field.spec
            name = field.name if known is not None else shown(field)
            mine = tallies.get(name)
            if mine is None and (mine := self._new(tally, name, field, message, at)) is None:
                tally.more += (name not in done) * count
                done[name] = True
                continue
            value = field.value
            filled = value is not None if type(value) is not tuple else any(item is not None for item in value)
            if name not in done:
                done[name] = filled
                case.cite(mine.seen)
                mine.ok += ok * count
                mine.stood(place, count)
                if filled:
                    case.cite(mine.filled)
            elif filled and not done[name]:
                done[name] = True
                case.cite(mine.filled)
            if version is not None and not mine.versions.get(version):
                mine.versions[version] = filled
            if filled and case.has_values(message, field):
                self._values(case, mine, field)

    def _values(self, case: Case | Cases, mine: FieldTally, field: Field) -> None:
        value = field.value
        items = value if isinstance(value, tuple) else (value,)
        add, at, count = mine.values.add, case.at, case.many
        for item in items:
            if item is not None:
                add(item, at, count)
        if field.spec is not None and field.spec.codes is not None:
            for item in items:
                if isinstance(item, int):
                    self.code(case, mine, -1, field.spec.codes, item)

    def _new(self, tally: MessageTally, name: str, field: Field, message: Message, at: int) -> FieldTally | None:
        """The tally of a field that was not seen before; None for one undocumented field too many."""
        if field.spec is None and not tally.admit(name):
            return None
        return self._tally(tally, name, message, at, known=field.spec is not None)

    def _tally(self, tally: MessageTally, name: str, message: Message, at: int, *, known: bool = True) -> FieldTally:
        if name not in tally.fields:
            values = Values(room=DISTINCT if known else DISTINCT_UNKNOWN, masked=self.masking.hides(message, name))
            tally.fields[name] = FieldTally(at=at, seen=Evidence(), filled=Evidence(), values=values)
        return tally.fields[name]

    def _cases(self, case: Case | Cases, tally: MessageTally, message: Message) -> None:
        """Count values whose meaning follows from another one of their row."""
        for table in message.tables:
            columns = {
                name: known
                for name in table.spec.columns
                if (known := self.spec.field(message.command, message.direction, name)) is not None and known.cases
            }
            for row in table.rows if columns else ():
                for name, known in columns.items():
                    applied = case_of(known, row.cells) if name in row.cells else None
                    if applied is not None and applied.codes is not None:
                        number = _number(row.cells[name])
                        if number is not None:
                            self.code(case, tally.fields[name], known.cases.index(applied), applied.codes, number)

    def code(self, case: Case | Cases, field: FieldTally, index: int, table: str, value: int) -> None:
        """Count a value of a code table: the field's own, or that of the case of that index."""
        tally = field.codes.get(index)
        if tally is None:
            tally = field.codes[index] = CodeTally()
        evidence = tally.values.get(value)
        if evidence is None:
            known = self.spec.codes[table].by_value
            if value not in known and (field.masked or not tally.admit(value)):
                tally.more += case.many
                return
            evidence = tally.values[value] = Evidence()
        case.cite(evidence)
        if value in self.disputed[table] and case.version is not None:
            versions = tally.versions.setdefault(value, {})
            versions[case.version] = versions.get(case.version, 0) + case.many

    def _contradictions(
        self, case: Case | Cases, tally: MessageTally, message: Message, notes: list[Note], *, cut: bool
    ) -> None:
        for note in notes:
            if note.field is not None and kind(note) in CONTRADICTING:
                text = None if self.masking.is_quoted(note, message) else note.text
                self._contradiction(case, tally, message, note.code, note.field, text, cut=cut)
        for columns, text in _uneven(message):
            for name in columns:
                self._contradiction(case, tally, message, "list.length", name, text, cut=cut)

    def _contradiction(
        self,
        case: Case | Cases,
        tally: MessageTally,
        message: Message,
        code: str,
        name: str,
        text: str | None,
        *,
        cut: bool,
    ) -> None:
        if self.spec.field(message.command, message.direction, name) is None or (cut and code in CUT):
            return
        field = self._tally(tally, name, message, case.at)
        if code not in field.contradictions:
            kept = None if text is None else clip(text, 2 * LENGTH)
            field.contradictions[code] = Contradiction(text=kept, evidence=Evidence())
        case.cite(field.contradictions[code].evidence)

    def _rules(self, case: Case | Cases, tally: MessageTally, message: Message, notes: list[Note]) -> None:
        """Count which rules the message keeps, and what it repeats of the request."""
        command = message.command
        if command is None:
            return
        case.hold(tally.ordered, not any(note.code == "field.order" for note in notes))
        if message.direction == "reply":
            if command.reply_name is not None and message.name:
                case.hold(tally.spelled, message.name == command.reply_name)
            self._echoes(case, tally, message, notes)

    def _echoes(self, case: Case | Cases, tally: MessageTally, reply: Message, notes: list[Note]) -> None:
        """Count how the repetitions of a reply came out, which the notes tell as far as they were broken."""
        request, count = case.decoded.request, case.many
        broken = {note.field for note in notes if kind(note) == "echo"}
        for field in self.spec.layout(reply.command, "reply").echoed:
            if reply.get(field.name) is None:
                continue
            echo = tally.fields[field.name].echo
            if field.name in broken:
                echo.broken += count
            elif request is None or request.text(field.name) is None:
                echo.unchecked += count
            else:
                echo.held += count


def _rows(case: Case | Cases, tally: MessageTally, message: Message) -> None:
    """Count whether the lists of a table are of one length, and as long as a field says."""
    for table in message.tables:
        name = table.spec.name
        lengths = set(_lengths(message, table.spec.columns).values())
        case.hold(tally.even.setdefault(name, Held()), len(lengths) < 2)
        if table.spec.count is not None:
            count = message.value(table.spec.count)
            holds = count == len(table.rows) if isinstance(count, int) else None
            case.hold(tally.counted.setdefault(name, Held()), holds)


def _lengths(message: Message, columns: tuple[str, ...]) -> dict[str, int]:
    fields = [field for name in columns if (field := message.get(name)) is not None]
    return {field.name: len(field.value) if isinstance(field.value, tuple) else 0 for field in fields}


def _uneven(message: Message) -> Iterator[tuple[list[str], str]]:
    """The columns of each table whose lists differ in length, and how they do."""
    for table in message.tables:
        lengths = _lengths(message, table.spec.columns)
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            yield list(lengths), f"lists of one table differ: {told}"


def _number(value: Scalar) -> int | None:
    """The number that a text holds where its case makes it a code."""
    text = str(value).strip(" ")
    return int(text) if text.isdecimal() and len(text) < 10 else None
