"""What a profile holds: counts by command, field, code and note.

Law: types only, filled by the fold; all of them bounded in size, since they are made of bounded counters.
"""

from datetime import datetime
from typing import Literal

import msgspec

from qqlab.codec import Severity
from qqlab.profile.histogram import Histogram
from qqlab.profile.tally import Evidence, Examples, Held, Names
from qqlab.profile.values import Values

# What became of an exchange.
Way = Literal["answered", "pushed", "unanswered", "failed"]


class Contradiction(msgspec.Struct):
    """Values that disagree with the spec in one way; `text` is the first one's note, None where it is masked."""

    text: str | None
    evidence: Evidence


class EchoTally(msgspec.Struct):
    """How often a field of replies that repeats the request's did so, did not, or could be held against nothing."""

    held: int = 0
    broken: int = 0
    unchecked: int = 0


class CodeTally(msgspec.Struct):
    """How often each value of a code occurred.

    `more` counts undocumented values beyond the limit, which is none where the field is masked. `versions` counts
    those that sources dispute by the protocol version of their exchanges.
    """

    values: dict[int, Evidence] = {}
    more: int = 0
    versions: dict[int, dict[str, int]] = {}


class FieldTally(msgspec.Struct):
    """One field of one command and direction.

    `seen` counts messages that have it, `filled` those where it has a value. `versions` maps the protocol versions
    of their exchanges to whether it ever had a value there. `contradictions` are by note code; a required field that
    no message has is here for them alone. `codes` has the values by table: the index of the case that applied, or -1
    for the field's own table. `echo` counts where the spec has the field repeat the request's. `positions` counts the
    places, from 1, at which it stood; `ok` the replies telling success that have it.
    """

    seen: Evidence
    filled: Evidence
    values: Values
    positions: dict[int, int] = {}
    ok: int = 0
    versions: dict[str, bool] = {}
    contradictions: dict[str, Contradiction] = {}
    codes: dict[int, CodeTally] = {}
    echo: EchoTally = msgspec.field(default_factory=EchoTally)

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


class MessageTally(msgspec.Struct):
    """The messages of one command in one direction.

    `empty` ones have no field at all, `foreign` ones none that the spec knows; both count nowhere else. `more`
    counts occurrences of undocumented fields beyond the limit of names. `ok` of the messages are replies that tell
    success. `ordered` counts whether the fields stand in the spec's order, `spelled` whether the command is spelled as
    the spec says, `counted` and `even`, by the name of the rows, whether a count is that of the rows, and their lists
    are of one length.
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


class ShownField(msgspec.Struct):
    """One field of an example: as it stood on the wire, and its value; `text` is None where it is masked or empty."""

    name: str
    raw: str
    text: str | None
    length: int
    masked: bool


class ShownMessage(msgspec.Struct):
    """One message of an example. `command` is the spec's name of its command, None where the spec has none such;
    `more` counts fields beyond those shown, `cut` tells whether one of them is only the beginning."""

    command: str | None
    fields: list[ShownField]
    more: int
    cut: bool


class Sample(msgspec.Struct):
    """A real exchange. `note` is the code of what is odd about it, None where nothing is."""

    exchange: str
    time: datetime | None
    elapsed: float | None
    status: int | None
    note: str | None
    error: str | None
    request: ShownMessage | None
    reply: ShownMessage | None


class CommandTally(msgspec.Struct):
    """One command. `name` is the spec's spelling or the first one seen; empty for messages that name no command.

    `exchanges` counts those whose request (or lone reply) is of this command; of them `failed` broke off, `unanswered`
    have no reply though nothing is known to have failed, `unasked` have no request. `versions` counts them by
    protocol version, `statuses` the replies by their status (`stateless` have none that is a number). `samples` are the
    first that succeeded, that failed, and that has something odd about it.
    """

    name: str
    exchanges: Evidence
    request: MessageTally
    reply: MessageTally
    failed: int = 0
    unanswered: int = 0
    unasked: int = 0
    versions: dict[str, int] = {}
    statuses: dict[int, int] = {}
    stateless: int = 0
    errors: Names = msgspec.field(default_factory=Names)
    latency: Histogram = msgspec.field(default_factory=Histogram)
    samples: dict[Literal["success", "failure", "odd"], Sample] = {}


class NoteExample(msgspec.Struct):
    """One note: which field of which message, its text (None where that would quote what is masked), the exchange."""

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


class TransitionTally(msgspec.Struct):
    """How often one command came right after another in a session, and how long after it, where that is known."""

    count: int = 0
    gaps: Histogram = msgspec.field(default_factory=Histogram)


class StepTally(msgspec.Struct):
    """One exchange of a session. `status` is the reply's, None where it has none that is a number."""

    exchange: str
    time: datetime | None
    command: str
    status: int | None
    way: Way


class SessionTally(msgspec.Struct):
    """One session: how many exchanges, from when to when, and the first of them."""

    account: str | None
    exchanges: int = 0
    first: datetime | None = None
    last: datetime | None = None
    steps: list[StepTally] = []


class PollingTally(msgspec.Struct):
    """The times between one sending of a command and the next in a session; what the server had announced there."""

    session: str
    command: str
    gaps: Histogram = msgspec.field(default_factory=Histogram)
    interval: int | None = None
    limit: int | None = None


class PresenceTally(msgspec.Struct):
    """A presence of an account: a value of a table, first seen in an exchange, from `since` to `until`."""

    account: str
    table: str
    state: int
    exchange: str
    since: datetime | None
    until: datetime | None


class BehaviourTally(msgspec.Struct):
    """What shows only over several exchanges of a session.

    `transitions` are by the command before and the one after, `sessions` by name (with the capture's name before it
    where there are several). `more_...` counts what is beyond the limits. `pages` tells whether a list that was begun
    was asked for to its end, `cursors` whether it went on with the last row's key, `numbers` whether sequence numbers
    differ from the one before, the first two by command. `untimed` exchanges have no time; `clock_back` counts those
    whose time is before that of the one before them.
    """

    transitions: dict[str, dict[str, TransitionTally]] = {}
    more_transitions: int = 0
    sessions: dict[str, SessionTally] = {}
    more_sessions: int = 0
    polling: list[PollingTally] = []
    more_polling: int = 0
    presence: list[PresenceTally] = []
    more_presence: int = 0
    pages: dict[str, Held] = {}
    cursors: dict[str, Held] = {}
    numbers: Held = msgspec.field(default_factory=Held)
    untimed: int = 0
    clock_back: int = 0


class Profile(msgspec.Struct):
    """What was seen. `commands` are by name (upper-case where the spec has none such), `notes` by code.

    `failed` counts exchanges that broke off, `unanswered` those without a reply of which no failure is known,
    `unasked` replies without a request, `foreign` messages that are not of the protocol, `more_commands` exchanges of
    undocumented commands beyond the limit of names.
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
