"""Exchanges to counts: which commands, fields and codes were seen, how often, and where.

Law: a plain accumulation with bounded memory; no I/O, no rendering, no verdicts. It raises for no traffic. The
values of fields that the spec calls secret or personal are never kept, only their lengths; where it is unclear
what a field is, its name decides. What looks like no field's name may be someone's words (an unescaped `&`, a page
of HTML): of it, too, only the length is kept. A message without any field that the spec knows is not of the
protocol: it is counted, and nothing is concluded from it about fields.
"""

import re
from collections.abc import Iterable, Iterator

from qqlab.codec import Decoded, Field, Message, Note, Scalar, case_of, decode
from qqlab.exchange import Exchange
from qqlab.profile.model import (
    CodeTally,
    CommandTally,
    Contradiction,
    FieldTally,
    MessageTally,
    NoteExample,
    NoteTally,
    Profile,
)
from qqlab.profile.tally import KEPT, LENGTH, Evidence, Examples, clip
from qqlab.spec import Spec

# How many distinct things are kept beyond those that the spec has; documented ones are always kept.
UNKNOWN_COMMANDS = 20
UNKNOWN_FIELDS = 50  # for each command and direction
UNKNOWN_CODES = 50  # for each field
NAMES = 1000  # clients, accounts, ...

# Notes that quote values of the field that they name; no others do.
QUOTING = frozenset(("value.type", "value.constant", "code.unknown", "list.count", "echo"))
# Notes that speak against what the spec says of fields.
CONTRADICTING = QUOTING | {"field.missing", "list.length"}
# Of them, those that a message which broke off gives for being cut.
CUT = frozenset(("field.missing", "list.length", "list.count"))

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")


def profile(exchanges: Iterable[tuple[str, Exchange]], spec: Spec) -> Profile:
    """Count exchanges, each given with the id by which it is cited as evidence."""
    fold = _Fold(spec)
    for label, exchange in exchanges:
        fold.add(label, exchange)
    return fold.profile


class _Fold:
    """The profile so far, and which names the spec masks somewhere."""

    def __init__(self, spec: Spec) -> None:
        self.profile = Profile()
        self.spec = spec
        self.masked = {field.name.upper() for _, _, field in spec.every_field() if field.secret or field.personal}

    def add(self, label: str, exchange: Exchange) -> None:
        decoded = decode(exchange, self.spec)
        self._count(exchange, decoded)
        if not decoded.messages():
            return
        own = self._command(decoded.spec.name if decoded.spec is not None else None, decoded.command)
        if own is not None:
            own.exchanges.add(label)
            own.failed += exchange.error is not None
            own.unanswered += _unanswered(exchange)
            own.unasked += exchange.request is None
            if decoded.version in self.spec.versions:
                own.versions[decoded.version] = own.versions.get(decoded.version, 0) + 1
        else:
            self.profile.more_commands += 1
        for message in decoded.messages():
            raw = exchange.request if message.direction == "request" else exchange.reply
            broken = message.direction == "reply" and exchange.error is not None
            self._message(label, message, decoded, cut=broken or (raw is not None and raw.cut is not None))
        self._notes(label, decoded)

    def _count(self, exchange: Exchange, decoded: Decoded) -> None:
        total = self.profile
        total.exchanges += 1
        total.requests += exchange.request is not None
        total.replies += exchange.reply is not None
        total.failed += exchange.error is not None
        total.unanswered += _unanswered(exchange)
        total.unasked += exchange.request is None and exchange.reply is not None
        for names, name in (
            (total.sessions, exchange.session),
            (total.clients, _host(exchange.client)),
            (total.servers, exchange.server),
            (total.accounts, decoded.account),
            (total.versions, decoded.version),
            (total.errors, exchange.error),
        ):
            if name:
                names.add(name, NAMES)

    def _command(self, known: str | None, name: str) -> CommandTally | None:
        """The tally of a command, or None for one unknown command too many."""
        commands = self.profile.commands
        key = clip(name.upper()) if known is None else known
        if key not in commands:
            if known is None and len(commands) >= len(self.spec.commands) + UNKNOWN_COMMANDS:
                return None
            commands[key] = CommandTally(
                name=known or clip(name), exchanges=Evidence(), request=MessageTally(), reply=MessageTally()
            )
        return commands[key]

    def _message(self, label: str, message: Message, decoded: Decoded, *, cut: bool) -> None:
        self.profile.foreign += message.foreign
        command = self._command(
            message.command.name if message.command is not None else None, message.name or decoded.command
        )
        if command is None:
            return
        tally = command.request if message.direction == "request" else command.reply
        if not message.fields:
            tally.empty += 1
        elif message.foreign:
            tally.foreign.add(label)
        else:
            tally.messages += 1
            self._fields(label, tally, message, decoded.version)
            self._cases(label, tally, message)
            self._contradictions(label, tally, message, decoded, cut=cut)
            if message.direction == "reply":
                self._echoes(tally, message, decoded)

    def _fields(self, label: str, tally: MessageTally, message: Message, version: str | None) -> None:
        by_name: dict[str, list[Field]] = {}
        for field in message.fields:
            by_name.setdefault(_shown(field), []).append(field)
        for name, fields in by_name.items():
            self._field(label, tally, name, fields, message, version)

    def _field(
        self, label: str, tally: MessageTally, name: str, fields: list[Field], message: Message, version: str | None
    ) -> None:
        known = fields[0].spec
        if name not in tally.fields and known is None and len(tally.fields) >= self._room(message):
            tally.more += 1
            return
        field_tally = self._tally(tally, name, message)
        values = [value for field in fields for value in _texts(field)]
        field_tally.seen.add(label)
        if values:
            field_tally.filled.add(label)
        if version in self.spec.versions:
            field_tally.versions[version] = field_tally.versions.get(version, False) or bool(values)
        for value in values:
            field_tally.examples.add(value, field_tally.masked)
        if known is not None and known.codes is not None:
            for field in fields:
                for item in field.value if isinstance(field.value, tuple) else (field.value,):
                    self._code(label, field_tally, -1, known.codes, item if isinstance(item, int) else None)

    def _tally(self, tally: MessageTally, name: str, message: Message) -> FieldTally:
        if name not in tally.fields:
            masked = self._is_masked(message, name)
            tally.fields[name] = FieldTally(seen=Evidence(), filled=Evidence(), masked=masked, examples=Examples())
        return tally.fields[name]

    def _room(self, message: Message) -> int:
        """How many fields of that message's kind are kept: the spec's, and a bounded number of others."""
        common: tuple[object, ...] = getattr(self.spec.common, message.direction)
        fields = common if message.command is None else message.command.fields(message.direction)
        return len(fields) + UNKNOWN_FIELDS

    def _cases(self, label: str, tally: MessageTally, message: Message) -> None:
        """Count values whose meaning follows from another one of their row."""
        for table in message.tables:
            for row in table.rows:
                for name, value in row.cells.items():
                    known = self.spec.field(message.command, message.direction, name)
                    case = None if known is None else case_of(known, row.cells)
                    if known is not None and case is not None and case.codes is not None:
                        index = known.cases.index(case)
                        self._code(label, tally.fields[name], index, case.codes, _number(value))

    def _code(self, label: str, field: FieldTally, case: int, table: str, value: int | None) -> None:
        if value is None:
            return
        known = self.spec.codes[table].by_value
        tally = field.codes.setdefault(case, CodeTally())
        if value not in tally.values:
            if value not in known and (field.masked or len(tally.values) >= len(known) + UNKNOWN_CODES):
                tally.more += 1
                return
            tally.values[value] = Evidence()
        tally.values[value].add(label)

    def _contradictions(
        self, label: str, tally: MessageTally, message: Message, decoded: Decoded, *, cut: bool
    ) -> None:
        for note in decoded.notes:
            if note.direction == message.direction and note.field is not None and _kind(note) in CONTRADICTING:
                text = None if self._is_quoted(note, message) else note.text
                self._contradiction(label, tally, message, note.code, note.field, text, cut=cut)
        for columns, text in _uneven(message):
            for name in columns:
                self._contradiction(label, tally, message, "list.length", name, text, cut=cut)

    def _contradiction(
        self, label: str, tally: MessageTally, message: Message, code: str, name: str, text: str | None, *, cut: bool
    ) -> None:
        if self.spec.field(message.command, message.direction, name) is None or (cut and code in CUT):
            return
        field = self._tally(tally, name, message)
        if code not in field.contradictions:
            kept = None if text is None else clip(text, 2 * LENGTH)
            field.contradictions[code] = Contradiction(text=kept, evidence=Evidence())
        field.contradictions[code].evidence.add(label)

    def _echoes(self, tally: MessageTally, reply: Message, decoded: Decoded) -> None:
        """Count how the repetitions of a reply came out, which the notes tell as far as they were broken."""
        broken = {note.field for note in decoded.notes if _kind(note) == "echo"}
        for field in reply.command.reply if reply.command is not None else ():
            if not field.echo or reply.get(field.name) is None:
                continue
            echo = tally.fields[field.name].echo
            if field.name in broken:
                echo.broken += 1
            elif decoded.request is None or decoded.request.text(field.name) is None:
                echo.unchecked += 1
            else:
                echo.held += 1

    def _notes(self, label: str, decoded: Decoded) -> None:
        messages = {message.direction: message for message in decoded.messages()}
        counted: set[str] = set()
        for note in decoded.notes:
            tally = self.profile.notes.get(note.code)
            if tally is None:
                tally = NoteTally(severity=note.severity, count=0, exchanges=Evidence())
                self.profile.notes[note.code] = tally
            tally.count += 1
            if note.code not in counted:
                counted.add(note.code)
                tally.exchanges.add(label)
            if not tally.more:
                self._note_example(label, tally, note, None if note.direction is None else messages.get(note.direction))

    def _note_example(self, label: str, tally: NoteTally, note: Note, message: Message | None) -> None:
        text: str | None = clip(note.text, 2 * LENGTH)
        where = ""
        if message is not None:
            name = _shown_name(note.field, message)
            where = _where(message, name)
            if name != note.field or self._is_quoted(note, message):
                text = None
        if any((example.where, example.text) == (where, text) for example in tally.examples):
            return
        if len(tally.examples) < KEPT:
            tally.examples.append(NoteExample(where=where, text=text, exchange=clip(label)))
        else:
            tally.more = True

    def _is_quoted(self, note: Note, message: Message) -> bool:
        """Whether a note quotes a value that is masked. One about a repetition quotes the request's, too."""
        if note.field is None or _kind(note) not in QUOTING:
            return False
        asked = self.spec.field(message.command, "request", note.field) if _kind(note) == "echo" else None
        return self._is_masked(message, note.field) or (asked is not None and (asked.secret or asked.personal))

    def _is_masked(self, message: Message, name: str) -> bool:
        """Whether the values of a field are masked; `name` is as it is shown."""
        known = self.spec.field(message.command, message.direction, name)
        if known is not None:
            return known.secret or known.personal
        return name.upper() in self.masked or _NAME.fullmatch(name) is None


def _kind(note: Note) -> str:
    """The note's code; of all repetitions the same one."""
    return "echo" if note.code.partition(".")[0] == "echo" else note.code


def _shown(field: Field) -> str:
    """The field's name, unless nothing says that it is one: no spec, no `=`, or not how names look."""
    if field.spec is None and (field.raw is None or _NAME.fullmatch(field.name) is None):
        return f"(no field name, {len(field.name)} character{'' if len(field.name) == 1 else 's'})"
    return field.name


def _shown_name(name: str | None, message: Message) -> str | None:
    """How the name that a note gives is shown, which depends on the fields of that name."""
    shown = [_shown(field) for field in message.fields if field.name == name]
    return next((text for text in shown if text != name), name)


def _uneven(message: Message) -> Iterator[tuple[list[str], str]]:
    """The columns of each table whose lists differ in length, and how they do."""
    for table in message.tables:
        fields = [field for name in table.spec.columns if (field := message.get(name)) is not None]
        lengths = {field.name: len(field.value) if isinstance(field.value, tuple) else 0 for field in fields}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            yield list(lengths), f"lists of one table differ: {told}"


def _unanswered(exchange: Exchange) -> bool:
    return exchange.reply is None and exchange.error is None


def _host(address: str) -> str:
    """A client's host: its port differs with every connection."""
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdecimal() else address


def _where(message: Message, field: str | None) -> str:
    """The place of a note in words: command, direction and field."""
    command = message.command.name if message.command is not None else clip(message.name)
    return " ".join(part for part in (command, message.direction, field or "") if part)


def _texts(field: Field) -> list[str]:
    """The values of a field that are not empty, as text: the items of a list, or the one value."""
    if isinstance(field.value, tuple):
        return [str(item) for item in field.value if item is not None]
    return [str(field.value)] if field.value is not None else []


def _number(value: Scalar) -> int | None:
    """The number that a text holds where its case makes it a code."""
    text = str(value).strip(" ")
    return int(text) if text.isdecimal() and len(text) < 10 else None
