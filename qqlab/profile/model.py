"""What a profile holds: counts by command, field, code and note; and how those of two parts of the traffic add up.

Law: filled by the fold; all of them bounded in size, since they are made of bounded counters. What was seen in either
part is in the sum, what came first is what stands first in the capture, and mappings are in order of appearance,
whichever part takes the other in. The one that is taken in is used up.
"""

from datetime import datetime
from typing import Literal

import msgspec

from qqlab.codec import Severity
from qqlab.profile.adding import KEPT, added, first_of, summed, together
from qqlab.profile.behaviour import BehaviourTally
from qqlab.profile.histogram import Histogram
from qqlab.profile.lowest import Lowest, rank
from qqlab.profile.names import Names
from qqlab.profile.tally import Evidence, Examples, Held
from qqlab.profile.values import Values

# How many undocumented things are kept; documented ones are always kept.
UNKNOWN_COMMANDS = 20
UNKNOWN_FIELDS = 50  # for each command and direction
UNKNOWN_CODES = 50  # for each field
STATUSES = 50  # for each command
# Places of a field that are told apart.
POSITIONS = 100


class Contradiction(msgspec.Struct, array_like=True, gc=False):
    """Values that disagree with the spec in one way; `text` is the first one's note, None where it is masked."""

    text: str | None
    evidence: Evidence

    def merge(self, other: "Contradiction") -> None:
        """Count all of another one, too."""
        if other.since < self.since:
            self.text = other.text
        self.evidence.merge(other.evidence)

    @property
    def since(self) -> int:
        """Where the first one stands."""
        return self.evidence.ats[0]


class EchoTally(msgspec.Struct, array_like=True, gc=False):
    """How often a field of replies that repeats the request's did so, did not, or could be held against nothing."""

    held: int = 0
    broken: int = 0
    unchecked: int = 0

    def merge(self, other: "EchoTally") -> None:
        """Count all of another one, too."""
        self.held += other.held
        self.broken += other.broken
        self.unchecked += other.unchecked


class CodeTally(msgspec.Struct, array_like=True, gc=False):
    """How often each value of a code occurred.

    `more` counts undocumented values beyond the limit, which is none where the field is masked; `unknown` are those
    that are kept. `versions` counts those that sources dispute by the protocol version of their exchanges.
    """

    values: dict[int, Evidence] = {}
    more: int = 0
    versions: dict[int, dict[str, int]] = {}
    unknown: Lowest[int] = msgspec.field(default_factory=lambda: Lowest(UNKNOWN_CODES))

    def admit(self, value: int) -> bool:
        """Whether a new undocumented value is kept; another one may have to go for it."""
        gone = self.unknown.admit(value, rank(str(value)))
        if gone is not None and gone != value:
            self.more += self.values.pop(gone).count
            self.versions.pop(gone, None)
        return gone != value

    def merge(self, other: "CodeTally") -> None:
        """Count all of another one, too."""
        self.more += other.more
        unknown = {value for _, value in other.unknown.order}
        for value, evidence in other.values.items():
            mine = self.values.get(value)
            if mine is not None:
                mine.merge(evidence)
            elif value not in unknown or self.admit(value):
                self.values[value] = evidence
            else:
                self.more += evidence.count
        for value, versions in other.versions.items():
            summed(self.versions.setdefault(value, {}), versions)


class FieldTally(msgspec.Struct, array_like=True, gc=False):
    """One field of one command and direction.

    `seen` counts messages that have it, `filled` those where it has a value. `versions` maps the protocol versions of
    their exchanges to whether it ever had a value there. `contradictions` are by note code; a required field that no
    message has is here for them alone. `codes` has the values by table: the index of the case that applied, or -1 for
    the field's own table. `echo` counts where the spec has the field repeat the request's. `positions` counts the
    places, from 1, at which it stood, the foremost of them; `ok` the replies telling success that have it. `at` is
    where it first appeared.
    """

    at: int
    seen: Evidence
    filled: Evidence
    values: Values
    positions: dict[int, int] = {}
    ok: int = 0
    versions: dict[str, bool] = {}
    contradictions: dict[str, Contradiction] = {}
    codes: dict[int, CodeTally] = {}
    echo: EchoTally = msgspec.field(default_factory=EchoTally)

    def stood(self, place: int, count: int = 1) -> None:
        """Count a place at which it stood."""
        positions = self.positions
        positions[place] = positions.get(place, 0) + count
        if len(positions) > POSITIONS:
            del positions[max(positions)]

    def merge(self, other: "FieldTally") -> None:
        """Count all of another one, too."""
        self.at = min(self.at, other.at)
        self.seen.merge(other.seen)
        self.filled.merge(other.filled)
        self.values.merge(other.values)
        for place, count in other.positions.items():
            self.stood(place, count)
        self.ok += other.ok
        for version, filled in other.versions.items():
            self.versions[version] = filled or self.versions.get(version, False)
        self.contradictions = together(self.contradictions, other.contradictions, lambda found: found.since)
        added(self.codes, other.codes)
        self.echo.merge(other.echo)

    @property
    def masked(self) -> bool:
        """Whether its values are not kept."""
        return self.values.masked

    @property
    def examples(self) -> Examples:
        """The first of its values."""
        return self.values.examples

    @property
    def position(self) -> int | None:
        """Where it stands most often; the foremost of several such places."""
        return min(self.positions, key=lambda place: (-self.positions[place], place), default=None)


class MessageTally(msgspec.Struct, array_like=True, gc=False):
    """The messages of one command in one direction.

    `empty` ones have no field at all, `foreign` ones none that the spec knows; both count nowhere else. `more` counts
    occurrences of undocumented fields beyond the limit of names. `ok` of the messages are replies that tell success;
    `unknown` are the undocumented fields that are kept. `ordered` counts whether the fields stand in the spec's order,
    `spelled` whether the command is spelled as the spec says, `counted` and `even`, by the name of the rows, whether a
    count is that of the rows, and their lists are of one length.
    """

    messages: int = 0
    ok: int = 0
    empty: int = 0
    foreign: Evidence = msgspec.field(default_factory=Evidence)
    fields: dict[str, FieldTally] = {}
    more: int = 0
    ordered: Held = msgspec.field(default_factory=Held)
    spelled: Held = msgspec.field(default_factory=Held)
    counted: dict[str, Held] = {}
    even: dict[str, Held] = {}
    unknown: Lowest[str] = msgspec.field(default_factory=lambda: Lowest(UNKNOWN_FIELDS))

    def admit(self, name: str) -> bool:
        """Whether a new undocumented field is kept; another one may have to go for it."""
        gone = self.unknown.admit(name, rank(name))
        if gone is not None and gone != name:
            self.more += self.fields.pop(gone).seen.count
        return gone != name

    def merge(self, other: "MessageTally") -> None:
        """Count all of another one, too."""
        self.messages += other.messages
        self.ok += other.ok
        self.empty += other.empty
        self.foreign.merge(other.foreign)
        self.more += other.more
        self._fields(other)
        self.ordered.merge(other.ordered)
        self.spelled.merge(other.spelled)
        added(self.counted, other.counted)
        added(self.even, other.even)

    def _fields(self, other: "MessageTally") -> None:
        fields = other.fields
        for _, name in other.unknown.order:
            if name not in self.fields and not self.admit(name):
                self.more += fields.pop(name).seen.count
        self.fields = together(self.fields, fields, lambda field: field.at)


class ShownField(msgspec.Struct, array_like=True, gc=False):
    """One field of an example: as it stood on the wire, and its value; `text` is None where it is masked or empty."""

    name: str
    raw: str
    text: str | None
    length: int
    masked: bool


class ShownMessage(msgspec.Struct, array_like=True, gc=False):
    """One message of an example. `command` is the spec's name of its command, None where the spec has none such;
    `more` counts fields beyond those shown, `cut` tells whether one of them is only the beginning."""

    command: str | None
    fields: list[ShownField]
    more: int
    cut: bool


class Sample(msgspec.Struct, array_like=True, gc=False):
    """A real exchange, and where it stands. `note` is the code of what is odd about it, None where nothing is."""

    exchange: str
    at: int
    time: datetime | None
    elapsed: float | None
    status: int | None
    note: str | None
    error: str | None
    request: ShownMessage | None
    reply: ShownMessage | None


class CommandTally(msgspec.Struct, array_like=True, gc=False):
    """One command. `name` is the spec's spelling or the first one seen; empty for messages that name no command.

    `exchanges` counts those whose request (or lone reply) is of this command; of them `failed` broke off, `unanswered`
    have no reply though nothing is known to have failed, `unasked` have no request. `versions` counts them by
    protocol version, `statuses` the replies by their status (`stateless` have none that is a number). `samples` are the
    first that succeeded, that failed, and that has something odd about it. `at` is where it first appeared.
    """

    name: str
    at: int
    exchanges: Evidence
    request: MessageTally
    reply: MessageTally
    failed: int = 0
    unanswered: int = 0
    unasked: int = 0
    versions: dict[str, int] = {}
    statuses: dict[int, int] = {}
    stateless: int = 0
    errors: Names = msgspec.field(default_factory=lambda: Names(room=KEPT))
    latency: Histogram = msgspec.field(default_factory=Histogram)
    samples: dict[Literal["success", "failure", "odd"], Sample] = {}
    lowest: Lowest[int] = msgspec.field(default_factory=lambda: Lowest(STATUSES))

    def status(self, status: int, count: int = 1) -> None:
        """Count replies of a status; another one may have to go for it."""
        if status not in self.statuses:
            gone = self.lowest.admit(status, rank(str(status)))
            if gone == status:
                self.stateless += count
                return
            self.stateless += 0 if gone is None else self.statuses.pop(gone)
        self.statuses[status] = self.statuses.get(status, 0) + count

    def merge(self, other: "CommandTally") -> None:
        """Count all of another one, too."""
        if other.at < self.at:
            self.name, self.at = other.name, other.at
        self.exchanges.merge(other.exchanges)
        self.request.merge(other.request)
        self.reply.merge(other.reply)
        self.failed += other.failed
        self.unanswered += other.unanswered
        self.unasked += other.unasked
        summed(self.versions, other.versions)
        for status, count in other.statuses.items():
            self.status(status, count)
        self.stateless += other.stateless
        self.errors.merge(other.errors)
        self.latency.merge(other.latency)
        for kind, sample in other.samples.items():
            if kind not in self.samples or sample.at < self.samples[kind].at:
                self.samples[kind] = sample


class NoteExample(msgspec.Struct, array_like=True, gc=False):
    """One note: which field of which message, its text (None where that would quote what is masked), the exchange."""

    where: str
    text: str | None
    exchange: str


class NoteTally(msgspec.Struct, array_like=True, gc=False):
    """All notes of one code. `examples` are the first with distinct texts, and `ats` says where they stand; `more`
    tells whether there were others."""

    severity: Severity
    count: int
    exchanges: Evidence
    examples: list[NoteExample] = []
    ats: list[int] = []
    more: bool = False

    @property
    def since(self) -> int:
        """Where the first one stands."""
        return self.exchanges.ats[0]

    def merge(self, other: "NoteTally") -> None:
        """Count all of another one, too."""
        self.count += other.count
        self.exchanges.merge(other.exchanges)
        self.examples, self.ats, more = first_of(
            self.examples, self.ats, other.examples, other.ats, lambda example: (example.where, example.text)
        )
        self.more = self.more or other.more or more


class Profile(msgspec.Struct, array_like=True, gc=False):
    """What was seen. `commands` are by name (upper-case where the spec has none such), `notes` by code.

    `failed` counts exchanges that broke off, `unanswered` those without a reply of which no failure is known,
    `unasked` replies without a request, `foreign` messages that are not of the protocol, `more_commands` exchanges of
    undocumented commands beyond the limit of names; `unknown` are those that are kept.
    """

    exchanges: int = 0
    requests: int = 0
    replies: int = 0
    failed: int = 0
    unanswered: int = 0
    unasked: int = 0
    foreign: int = 0
    sessions: Names = msgspec.field(default_factory=Names)
    clients: Names = msgspec.field(default_factory=Names)
    servers: Names = msgspec.field(default_factory=Names)
    accounts: Names = msgspec.field(default_factory=Names)
    versions: Names = msgspec.field(default_factory=Names)
    errors: Names = msgspec.field(default_factory=Names)
    commands: dict[str, CommandTally] = {}
    more_commands: int = 0
    notes: dict[str, NoteTally] = {}
    behaviour: BehaviourTally = msgspec.field(default_factory=BehaviourTally)
    unknown: Lowest[str] = msgspec.field(default_factory=lambda: Lowest(UNKNOWN_COMMANDS))

    def admit(self, command: str) -> bool:
        """Whether a new undocumented command is kept; another one may have to go for it."""
        gone = self.unknown.admit(command, rank(command))
        if gone is not None and gone != command:
            self.more_commands += self.commands.pop(gone).exchanges.count
        return gone != command

    def merge(self, other: "Profile") -> None:
        """Count all of another one, too; what it has of behaviour takes more than the sum of two."""
        self.exchanges += other.exchanges
        self.requests += other.requests
        self.replies += other.replies
        self.failed += other.failed
        self.unanswered += other.unanswered
        self.unasked += other.unasked
        self.foreign += other.foreign
        self.sessions.merge(other.sessions)
        self.clients.merge(other.clients)
        self.servers.merge(other.servers)
        self.accounts.merge(other.accounts)
        self.versions.merge(other.versions)
        self.errors.merge(other.errors)
        self.more_commands += other.more_commands
        self._commands(other)
        self.notes = together(self.notes, other.notes, lambda tally: tally.since)

    def _commands(self, other: "Profile") -> None:
        commands = other.commands
        for _, name in other.unknown.order:
            if name not in self.commands and not self.admit(name):
                self.more_commands += commands.pop(name).exchanges.count
        self.commands = together(self.commands, commands, lambda tally: tally.at)
