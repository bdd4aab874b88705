"""Exchanges to counts: which commands, fields and codes were seen, how often, and where.

Law: a plain accumulation with bounded memory; no I/O, no rendering, no verdicts. It raises for no traffic. What it
counts adds up (`qqlab.profile.part`): where an exchange stands, `at`, is a number that grows along a capture, and from
one capture to the next. What may be kept of a message says `qqlab.profile.masking`. A message without any field that
the spec knows is not of the protocol: it is counted, and nothing is concluded from it about fields.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from qqlab.codec import Decoded, Kind, Message, Note, decode, kinds_of, tells_success
from qqlab.exchange import Exchange
from qqlab.profile.adding import KEPT
from qqlab.profile.behaviour import Way
from qqlab.profile.bulk import Bulk, Row, host
from qqlab.profile.following import Following
from qqlab.profile.masking import Masking, shown_name
from qqlab.profile.messages import Case, MessageFold
from qqlab.profile.model import CommandTally, MessageTally, NoteExample, NoteTally, Profile
from qqlab.profile.part import Part
from qqlab.profile.samples import kind_of, sample
from qqlab.profile.sessions import SessionFold, Told
from qqlab.profile.tally import LENGTH, Cited, Evidence, clip
from qqlab.spec import Spec

# A capture has room for so many places: numbers of the first one are below this one, of the second below its double.
CAPTURE = 1 << 60
# After so many exchanges it is seen to that no more is kept than there is room for.
_TRIMMED = 100_000


def profile(exchanges: Iterable[tuple[str, Exchange]], spec: Spec) -> Profile:
    """Count the exchanges of one capture, each given with the id by which it is cited as evidence."""
    fold = Fold(spec)
    for at, (label, exchange) in enumerate(exchanges):
        fold.add(at, label, exchange)
    return fold.part().profile()


class Fold:
    """The profile of a part of the traffic, so far."""

    def __init__(self, spec: Spec) -> None:
        self.following = Following()
        self.profile = Profile()
        self.spec = spec
        self.masking = Masking(spec)
        self.messages = MessageFold(spec, self.masking)
        self.kinds = kinds_of(spec)
        self.bulk = Bulk(spec, self.kinds, self.profile, self.messages)
        self.sessions = SessionFold(spec, self.following, self.kinds)
        self._added = 0

    def begin(self, number: int, capture: str, span: tuple[int, int] | None = None) -> None:
        """What follows is of another capture, the one of that number: its sessions are others, whatever they are
        called.

        `span` says which stretch of it follows, where the first of its places and the first that is not; all of it
        where it is None. It lies behind all stretches before.
        """
        self.following.spans.append(span or (number * CAPTURE, (number + 1) * CAPTURE))
        self.sessions.begin(number, capture)

    def part(self) -> Part:
        """The profile of all that was added; no more may be."""
        if not self.following.spans:
            self.following.spans.append((0, CAPTURE))
        self.bulk.done()
        self.following.join()
        return Part(self.profile, self.following)

    def add(self, at: int, label: str, exchange: Exchange) -> None:
        """Count one exchange that stands at `at`, behind all before, and is cited by `label`."""
        self._added += 1
        if self._added % _TRIMMED == 0:
            self.following.trim()
        cited = Cited(label, aware(exchange.time), at)
        found = self.kinds.find(exchange)
        if found is None:
            self.add_alone(cited, exchange, decode(exchange, self.spec))
            return
        kind, parts = found
        heap = self.bulk.heaps.get(kind)
        if heap is None:
            decoded = self.kinds.decoded(kind, parts)
            self.add_alone(cited, exchange, decoded)
            self._begin(kind, self.profile.commands[decoded.command])
            return
        self.bulk.add(heap, Row(cited, exchange, parts))
        if heap.steady is None:
            decoded = self.kinds.decoded(kind, parts)
            self.sessions.add(Told(cited, exchange, decoded, heap.ok, "answered"))
        else:
            self.sessions.add_steady(cited, exchange, parts, heap.steady)

    def _begin(self, kind: Kind, own: CommandTally) -> None:
        """Let exchanges of a kind wait, of which the first was counted."""
        reply = kind.example.reply
        ok = None if reply is None else tells_success(reply, self.spec)
        self.bulk.begin(kind, ok, own, self.sessions.steady(kind, ok))

    def add_alone(self, cited: Cited, exchange: Exchange, decoded: Decoded) -> None:
        """Count one exchange by itself."""
        label, time, at = cited
        self._count(at, exchange, decoded)
        self._notes(cited, decoded)
        if decoded.request is None and decoded.reply is None:
            return
        ok = None if decoded.reply is None else tells_success(decoded.reply, self.spec)
        own = self._command(decoded.spec.name if decoded.spec is not None else None, decoded.command, at)
        if own is None:
            self.profile.more_commands += 1
        else:
            self._exchange(cited, exchange, decoded, ok, own)
        case = Case(label, time, at, decoded, ok, decoded.version if decoded.version in self.spec.versions else None)
        for message in decoded.messages():
            raw = exchange.request if message.direction == "request" else exchange.reply
            broken = message.direction == "reply" and exchange.error is not None
            self._message(case, message, own, cut=broken or (raw is not None and raw.cut is not None))
        self.sessions.add(Told(cited, exchange, decoded, ok, _way(exchange)))

    def _count(self, at: int, exchange: Exchange, decoded: Decoded) -> None:
        total = self.profile
        total.exchanges += 1
        total.requests += exchange.request is not None
        total.replies += exchange.reply is not None
        total.failed += exchange.error is not None
        total.unanswered += exchange.reply is None and exchange.error is None
        total.unasked += exchange.request is None and exchange.reply is not None
        for names, name in (
            (total.sessions, exchange.session),
            (total.clients, host(exchange.client)),
            (total.servers, exchange.server),
            (total.accounts, decoded.account),
            (total.versions, decoded.version),
            (total.errors, exchange.error),
        ):
            if name:
                names.add(name, at)

    def _exchange(self, cited: Cited, exchange: Exchange, decoded: Decoded, ok: bool | None, own: CommandTally) -> None:
        own.exchanges.add(*cited)
        own.failed += exchange.error is not None
        own.unanswered += exchange.reply is None and exchange.error is None
        own.unasked += exchange.request is None
        if decoded.version in self.spec.versions:
            own.versions[decoded.version] = own.versions.get(decoded.version, 0) + 1
        if exchange.error:
            own.errors.add(exchange.error, cited.at)
        elif exchange.reply is not None:
            if exchange.request is not None and exchange.elapsed is not None:
                own.latency.add(exchange.elapsed)
            _status(own, decoded)
        if (kind := kind_of(exchange, decoded, ok)) not in own.samples:
            own.samples[kind] = sample(cited, exchange, decoded, self.masking)

    def _command(self, known: str | None, name: str, at: int) -> CommandTally | None:
        """The tally of a command, or None for one unknown command too many."""
        commands = self.profile.commands
        key = clip(name.upper()) if known is None else known
        if key not in commands:
            if known is None and not self.profile.admit(key):
                return None
            commands[key] = CommandTally(
                name=known or clip(name), at=at, exchanges=Evidence(), request=MessageTally(), reply=MessageTally()
            )
        return commands[key]

    def _message(self, case: Case, message: Message, own: CommandTally | None, *, cut: bool) -> None:
        self.profile.foreign += message.foreign
        known = message.command
        command = (
            own
            if own is not None and known is not None and own.name == known.name
            else self._command(known.name if known is not None else None, message.name or case.decoded.command, case.at)
        )
        if command is None:
            return
        tally = command.request if message.direction == "request" else command.reply
        if not message.fields:
            tally.empty += 1
        elif message.foreign:
            tally.foreign.add(case.label, case.time, case.at)
        else:
            self.messages.add(case, tally, message, cut=cut)

    def _notes(self, cited: Cited, decoded: Decoded) -> None:
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
                tally.exchanges.add(*cited)
            if not tally.more:
                self._note_example(cited, tally, note, None if note.direction is None else messages.get(note.direction))

    def _note_example(self, cited: Cited, tally: NoteTally, note: Note, message: Message | None) -> None:
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
            tally.examples.append(NoteExample(where=where, text=text, exchange=clip(cited.label)))
            tally.ats.append(cited.at)
        else:
            tally.more = True


def aware(time: datetime | None) -> datetime | None:
    """The time as one that can be compared, in UTC: so it is taken without an offset. Of two that are the same, either
    will do."""
    if time is None or time.tzinfo is UTC:
        return time
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:  # at either end of all times
        return time.replace(tzinfo=UTC)


def _status(own: CommandTally, decoded: Decoded) -> None:
    status = decoded.status
    if isinstance(status, int):
        own.status(status)
    else:
        own.stateless += 1


def _way(exchange: Exchange) -> Way:
    if exchange.error is not None:
        return "failed"
    if exchange.reply is None:
        return "unanswered"
    return "pushed" if exchange.request is None else "answered"


def _where(message: Message, field: str | None) -> str:
    """The place of a note in words: command, direction and field."""
    command = message.command.name if message.command is not None else clip(message.name)
    return " ".join(part for part in (command, message.direction, field or "") if part)
