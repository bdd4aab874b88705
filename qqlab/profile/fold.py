"""Exchanges to counts: which commands, fields and codes were seen, how often, and where.

Law: a plain accumulation with bounded memory; no I/O, no rendering, no verdicts. It raises for no traffic. The
values of fields that the spec calls secret or personal are never kept, only their lengths; where it is unclear
what a field is, its name decides.
"""

from collections.abc import Iterable

import msgspec

from qqlab.codec import Decoded, Field, Message, Note, Scalar, Severity, case_of, decode
from qqlab.exchange import Exchange
from qqlab.profile.tally import KEPT, LENGTH, Evidence, Examples, Names, clip
from qqlab.spec import Spec

# How many distinct things are kept beyond those that the spec has; documented ones are always kept.
UNKNOWN_COMMANDS = 20
UNKNOWN_FIELDS = 50  # for each command and direction
UNKNOWN_CODES = 50  # for each field
NAMES = 1000  # clients, accounts, ...

# Notes that speak against what the spec says of the field that they name; no others quote its values.
CONTRADICTING = frozenset(("value.type", "value.constant", "code.unknown", "list.count", "echo"))


class Contradiction(msgspec.Struct):
    """Values that disagree with the spec in one way; `text` is the first one's note, None where it is masked."""

    text: str | None
    evidence: Evidence


class CodeTally(msgspec.Struct):
    """How often each value of a code occurred. `more` counts undocumented values beyond the limit."""

    values: dict[int, Evidence] = {}
    more: int = 0


class FieldTally(msgspec.Struct):
    """One field of one command and direction.

    `seen` counts messages that have it, `filled` those where it has a value. `versions` maps the protocol versions
    of their exchanges to whether it ever had a value there. `contradictions` are by note code. `codes` has the
    values by table: the index of the case that applied, or -1 for the field's own table.
    """

    seen: Evidence
    filled: Evidence
    masked: bool
    examples: Examples
    versions: dict[str, bool] = {}
    contradictions: dict[str, Contradiction] = {}
    codes: dict[int, CodeTally] = {}


class MessageTally(msgspec.Struct):
    """The messages of one command in one direction. `empty` ones have no field at all and count nowhere else.

    `more` counts occurrences of undocumented fields beyond the limit of names.
    """

    messages: int = 0
    empty: int = 0
    fields: dict[str, FieldTally] = {}
    more: int = 0


class CommandTally(msgspec.Struct):
    """One command. `name` is the spec's spelling or the first one seen; empty for messages that name no command.

    `exchanges` counts those whose request (or lone reply) is of this command; `failed` and `unasked` are those of
    them without a whole reply or without a request. `versions` counts them by protocol version.
    """

    name: str
    exchanges: Evidence
    request: MessageTally
    reply: MessageTally
    failed: int = 0
    unasked: int = 0
    versions: dict[str, int] = {}


class NoteExample(msgspec.Struct):
    """One note: which field of which message, its text (None where that is masked), and the exchange."""

    where: str
    text: str | None
    exchange: str


class NoteTally(msgspec.Struct):
    """All notes of one code. `examples` are the first with distinct texts; `more` tells whether there were others."""

    severity: Severity
    count: int
    exchanges: Evidence
    examples: list[NoteExample] = []
    more: bool = False


class Profile(msgspec.Struct):
    """What was seen. `commands` are by name (upper-case where the spec has none such), `notes` by code.

    `failed` counts exchanges without a whole reply, `unasked` replies without a request, `more_commands` exchanges
    of undocumented commands beyond the limit of names.
    """

    exchanges: int = 0
    requests: int = 0
    replies: int = 0
    failed: int = 0
    unasked: int = 0
    sessions: Names = msgspec.field(default_factory=Names)
    clients: Names = msgspec.field(default_factory=Names)
    servers: Names = msgspec.field(default_factory=Names)
    accounts: Names = msgspec.field(default_factory=Names)
    versions: Names = msgspec.field(default_factory=Names)
    errors: Names = msgspec.field(default_factory=Names)
    commands: dict[str, CommandTally] = {}
    more_commands: int = 0
    notes: dict[str, NoteTally] = {}


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
            own.failed += _failed(exchange)
            own.unasked += exchange.request is None
            if decoded.version in self.spec.versions:
                own.versions[decoded.version] = own.versions.get(decoded.version, 0) + 1
        else:
            self.profile.more_commands += 1
        for message in decoded.messages():
            self._message(label, message, decoded)
        self._notes(label, decoded)

    def _count(self, exchange: Exchange, decoded: Decoded) -> None:
        total = self.profile
        total.exchanges += 1
        total.requests += exchange.request is not None
        total.replies += exchange.reply is not None
        total.failed += _failed(exchange)
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

    def _message(self, label: str, message: Message, decoded: Decoded) -> None:
        command = self._command(
            message.command.name if message.command is not None else None, message.name or decoded.command
        )
        if command is None:
            return
        tally = command.request if message.direction == "request" else command.reply
        if not message.fields:
            tally.empty += 1
            return
        tally.messages += 1
        by_name: dict[str, list[Field]] = {}
        for field in message.fields:
            by_name.setdefault(clip(field.name) if field.spec is None else field.name, []).append(field)
        for name, fields in by_name.items():
            self._field(label, tally, name, fields, message, decoded.version)
        self._cases(label, tally, message)
        for note in decoded.notes:
            if note.direction == message.direction and note.field is not None:
                self._contradiction(label, tally, note)

    def _field(
        self, label: str, tally: MessageTally, name: str, fields: list[Field], message: Message, version: str | None
    ) -> None:
        known = fields[0].spec
        if name not in tally.fields:
            if known is None and len(tally.fields) >= _documented(message, self.spec) + UNKNOWN_FIELDS:
                tally.more += 1
                return
            masked = self._is_masked(message, fields[0].name)
            tally.fields[name] = FieldTally(seen=Evidence(), filled=Evidence(), masked=masked, examples=Examples())
        field_tally = tally.fields[name]
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
            if value not in known and len(tally.values) >= len(known) + UNKNOWN_CODES:
                tally.more += 1
                return
            tally.values[value] = Evidence()
        tally.values[value].add(label)

    def _contradiction(self, label: str, tally: MessageTally, note: Note) -> None:
        if not _contradicts(note) or note.field not in tally.fields:
            return
        field = tally.fields[note.field]
        if note.code not in field.contradictions:
            text = None if field.masked else clip(note.text, 2 * LENGTH)
            field.contradictions[note.code] = Contradiction(text=text, evidence=Evidence())
        field.contradictions[note.code].evidence.add(label)

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
        masked = (
            _contradicts(note)
            and note.field is not None
            and message is not None
            and self._is_masked(message, note.field)
        )
        text = None if masked else clip(note.text, 2 * LENGTH)
        where = "" if message is None else _where(message, note.field)
        if any((example.where, example.text) == (where, text) for example in tally.examples):
            return
        if len(tally.examples) < KEPT:
            tally.examples.append(NoteExample(where=where, text=text, exchange=clip(label)))
        else:
            tally.more = True

    def _is_masked(self, message: Message, name: str) -> bool:
        known = self.spec.field(message.command, message.direction, name)
        if known is not None:
            return known.secret or known.personal
        return name.strip().upper() in self.masked


def _contradicts(note: Note) -> bool:
    return note.code in CONTRADICTING or note.code.partition(".")[0] in CONTRADICTING


def _failed(exchange: Exchange) -> bool:
    return exchange.reply is None or exchange.error is not None


def _host(address: str) -> str:
    """A client's host: its port differs with every connection."""
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdecimal() else address


def _where(message: Message, field: str | None) -> str:
    """The place of a note in words: command, direction and field."""
    command = message.command.name if message.command is not None else clip(message.name)
    return " ".join(part for part in (command, message.direction, clip(field or "")) if part)


def _documented(message: Message, spec: Spec) -> int:
    """How many fields the spec has there."""
    common: tuple[object, ...] = getattr(spec.common, message.direction)
    return len(common if message.command is None else message.command.fields(message.direction))


def _texts(field: Field) -> list[str]:
    """The values of a field that are not empty, as text: the items of a list, or the one value."""
    if isinstance(field.value, tuple):
        return [str(item) for item in field.value if item is not None]
    return [str(field.value)] if field.value is not None else []


def _number(value: Scalar) -> int | None:
    """The number that a text holds where its case makes it a code."""
    text = str(value).strip(" ")
    return int(text) if text.isdecimal() and len(text) < 10 else None
