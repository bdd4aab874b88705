"""Exchanges to counts: which commands, fields and codes were seen, how often, and where.

Law: a plain accumulation with bounded memory; no I/O, no rendering, no verdicts. It raises for no traffic. What may be
kept of a message says `qqlab.profile.masking`. A message without any field that the spec knows is not of the
protocol: it is counted, and nothing is concluded from it about fields.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from qqlab.codec import Decoded, Message, Note, decode, tells_success
from qqlab.exchange import Exchange
from qqlab.profile.masking import Masking, shown_name
from qqlab.profile.messages import Case, MessageFold
from qqlab.profile.model import CommandTally, MessageTally, NoteExample, NoteTally, Profile, Way
from qqlab.profile.samples import kind_of, sample
from qqlab.profile.sessions import SessionFold, Told
from qqlab.profile.tally import KEPT, LENGTH, Evidence, clip
from qqlab.spec import Spec

# How many distinct things are kept beyond those that the spec has; documented ones are always kept.
UNKNOWN_COMMANDS = 20
NAMES = 1000  # clients, accounts, ...
STATUSES = 50  # for each command


def profile(exchanges: Iterable[tuple[str, Exchange]], spec: Spec) -> Profile:
    """Count exchanges, each given with the id by which it is cited as evidence."""
    fold = Fold(spec)
    for label, exchange in exchanges:
        fold.add(label, exchange)
    return fold.done()


class Fold:
    """The profile so far."""

    def __init__(self, spec: Spec) -> None:
        self.profile = Profile()
        self.spec = spec
        self.masking = Masking(spec)
        self.messages = MessageFold(spec, self.masking)
        self.sessions = SessionFold(spec, self.profile.behaviour)

    def begin(self, capture: str) -> None:
        """What follows is of another capture: its sessions are others, whatever they are called."""
        self.sessions.begin(capture)

    def done(self) -> Profile:
        """The profile of all that was added."""
        self.sessions.finish()
        return self.profile

    def add(self, label: str, exchange: Exchange) -> None:
        """Count one exchange, cited by `label`."""
        decoded = decode(exchange, self.spec)
        time = aware(exchange.time)
        self._count(exchange, decoded)
        self._notes(label, time, decoded)
        if decoded.request is None and decoded.reply is None:
            return
        ok = None if decoded.reply is None else tells_success(decoded.reply, self.spec)
        own = self._command(decoded.spec.name if decoded.spec is not None else None, decoded.command)
        if own is None:
            self.profile.more_commands += 1
        else:
            self._exchange(label, exchange, decoded, time, ok, own)
        case = Case(label, time, decoded, ok, decoded.version if decoded.version in self.spec.versions else None)
        for message in decoded.messages():
            raw = exchange.request if message.direction == "request" else exchange.reply
            broken = message.direction == "reply" and exchange.error is not None
            self._message(case, message, own, cut=broken or (raw is not None and raw.cut is not None))
        self.sessions.add(Told(label, exchange, decoded, time, ok, _way(exchange)))

    def _count(self, exchange: Exchange, decoded: Decoded) -> None:
        total = self.profile
        total.exchanges += 1
        total.requests += exchange.request is not None
        total.replies += exchange.reply is not None
        total.failed += exchange.error is not None
        total.unanswered += exchange.reply is None and exchange.error is None
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

    def _exchange(
        self,
        label: str,
        exchange: Exchange,
        decoded: Decoded,
        time: datetime | None,
        ok: bool | None,
        own: CommandTally,
    ) -> None:
        own.exchanges.add(label, time)
        own.failed += exchange.error is not None
        own.unanswered += exchange.reply is None and exchange.error is None
        own.unasked += exchange.request is None
        if decoded.version in self.spec.versions:
            own.versions[decoded.version] = own.versions.get(decoded.version, 0) + 1
        if exchange.error:
            own.errors.add(exchange.error, KEPT)
        elif exchange.reply is not None:
            if exchange.request is not None and exchange.elapsed is not None:
                own.latency.add(exchange.elapsed)
            _status(own, decoded)
        if (kind := kind_of(exchange, decoded, ok)) not in own.samples:
            own.samples[kind] = sample(clip(label), exchange, decoded, time, self.masking)

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

    def _message(self, case: Case, message: Message, own: CommandTally | None, *, cut: bool) -> None:
        self.profile.foreign += message.foreign
        known = message.command
        command = (
            own
            if own is not None and known is not None and own.name == known.name
            else self._command(known.name if known is not None else None, message.name or case.decoded.command)
        )
        if command is None:
            return
        tally = command.request if message.direction == "request" else command.reply
        if not message.fields:
            tally.empty += 1
        elif message.foreign:
            tally.foreign.add(case.label, case.time)
        else:
            self.messages.add(case, tally, message, cut=cut)

    def _notes(self, label: str, time: datetime | None, decoded: Decoded) -> None:
        if not decoded.notes:
            return
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
                tally.exchanges.add(label, time)
            if not tally.more:
                self._note_example(label, tally, note, None if note.direction is None else messages.get(note.direction))

    def _note_example(self, label: str, tally: NoteTally, note: Note, message: Message | None) -> None:
        text: str | None = clip(note.text, 2 * LENGTH)
        where = ""
        if message is not None:
            name = shown_name(note.field, message)
            where = _where(message, name)
            if name != note.field or self.masking.is_quoted(note, message):
                text = None
        if any((example.where, example.text) == (where, text) for example in tally.examples):
            return
        if len(tally.examples) < KEPT:
            tally.examples.append(NoteExample(where=where, text=text, exchange=clip(label)))
        else:
            tally.more = True


def aware(time: datetime | None) -> datetime | None:
    """The time as one that can be compared: without an offset it is taken for UTC."""
    return time if time is None or time.tzinfo is not None else time.replace(tzinfo=UTC)


def _status(own: CommandTally, decoded: Decoded) -> None:
    status = decoded.status
    if isinstance(status, int) and (status in own.statuses or len(own.statuses) < STATUSES):
        own.statuses[status] = own.statuses.get(status, 0) + 1
    else:
        own.stateless += 1


def _way(exchange: Exchange) -> Way:
    if exchange.error is not None:
        return "failed"
    if exchange.reply is None:
        return "unanswered"
    return "pushed" if exchange.request is None else "answered"


def _host(address: str) -> str:
    """A client's host: its port differs with every connection."""
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdecimal() else address


def _where(message: Message, field: str | None) -> str:
    """The place of a note in words: command, direction and field."""
    command = message.command.name if message.command is not None else clip(message.name)
    return " ".join(part for part in (command, message.direction, field or "") if part)
