"""What a report says, as frozen values: the shape of `report.json`, and all that the templates get to see.

Law: data only. Captured text stands in it as it was, cut to a bounded length; every renderer makes it harmless
for its own medium. The shape is versioned by `qqlab_report`; names and meanings are stable within a version.
"""

from datetime import datetime
from typing import Literal

import msgspec

from qqlab.codec import Severity
from qqlab.profile import Verdict
from qqlab.spec import Announcement, Direction, Lang

FORMAT = 2


# Whether the messages of a kind have a field.
Presence = Literal["always", "sometimes", "never"]
# Of the values seen: always the same one, one of a few, or anything.
Shape = Literal["constant", "enum", "free"]
# What traffic says for one side of a dispute.
Stand = Literal["for", "against", "open"]
# How a session polled, held against what the server had announced to it.
PollingVerdict = Literal["as announced", "faster", "slower", "past the limit", "not announced"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the report."""


class Evidence(Part, frozen=True):
    """How often, and the ids of the first exchanges; `NAME:ID` where the report is made of several captures.

    `more` tells whether there are other exchanges. `first` and `last` are the times of the earliest and the latest,
    None where no time is known.
    """

    count: int
    exchanges: tuple[str, ...] = ()
    more: bool = False
    first: datetime | None = None
    last: datetime | None = None


class Source(Part, frozen=True):
    """Who says so, as the spec has it."""

    id: str
    title: str
    trust: str
    primary: bool


class FactPart(Part, frozen=True):
    """A rule of the wire in words."""

    topic: str
    doc: str
    source: tuple[str, ...]


class WirePart(Part, frozen=True):
    """How values are written, as the spec has it: charsets in the order in which they are tried, what ends an item of a
    list, which characters travel as `%xx` in a pair, and which once more in an item of a list."""

    charsets: tuple[str, ...]
    list_separator: str
    pair_escapes: tuple[str, ...]
    list_escapes: tuple[str, ...]
    facts: tuple[FactPart, ...]


class RolePart(Part, frozen=True):
    """Which field says the version, the command, the sequence number, the account and the status."""

    version: str
    command: str
    sequence: str
    account: str
    status: str


class SpecPart(Part, frozen=True):
    """The spec that the traffic was held against. `version_field` is the field that tells the protocol's version."""

    name: str
    title: str
    version_field: str
    sources: tuple[Source, ...]
    roles: RolePart
    wire: WirePart


class CapturePart(Part, frozen=True):
    """One capture file. `first` and `last` are the times of its exchanges, None where none is known.

    `name` is what evidence ids begin with where there are several captures. `torn` tells of a skipped last line.
    """

    name: str
    file: str
    exchanges: int
    first: datetime | None
    last: datetime | None
    transports: dict[str, int]
    redacted: str
    spec: str
    tool: str
    note: str
    torn: str | None


class Name(Part, frozen=True):
    """One of several names, and how often it occurred."""

    name: str
    count: int


class Names(Part, frozen=True):
    """Distinct names: how many, and the first of them. `complete` is False where there are too many to count all: then
    `distinct` of them were, an even choice, and `about` is how many there are, an estimate; else None."""

    distinct: int
    complete: bool
    first: tuple[Name, ...]
    about: int | None = None


class Summary(Part, frozen=True):
    """The traffic as a whole.

    `failed` exchanges broke off; `unanswered` ones have no reply, though no failure is known; `unasked` replies have
    no request. `foreign` messages have no field that the spec knows. `verdicts` counts the fields of all commands
    that were seen, once for each command and direction; `unproven` are those of the confirmed ones of which only the
    value could be held against the spec.
    """

    exchanges: int
    requests: int
    replies: int
    failed: int
    unanswered: int
    unasked: int
    foreign: int
    first: datetime | None
    last: datetime | None
    sessions: Names
    clients: Names
    servers: Names
    accounts: Names
    versions: Names
    errors: Names
    verdicts: dict[str, int]
    unproven: int


class Ratio(Part, frozen=True):
    """How many of the documented facts were seen."""

    seen: int
    documented: int


class VersionCoverage(Part, frozen=True):
    """Coverage of one protocol version, by the exchanges whose request is of it.

    `fields` counts those with a value, `only_empty` those that were never filled; common fields count once.
    """

    version: str
    doc: str
    source: tuple[str, ...]
    exchanges: int
    commands: Ratio
    missing: tuple[str, ...]
    fields: Ratio
    only_empty: int


class Coverage(Part, frozen=True):
    """How much of the spec was seen: all of it, and by protocol version."""

    commands: Ratio
    fields: Ratio
    codes: Ratio
    versions: tuple[VersionCoverage, ...]


class ExamplePart(Part, frozen=True):
    """A value that was seen: its beginning (None where it is masked), its length in characters, its meaning."""

    text: str | None
    length: int
    meaning: str | None = None


class ContradictionPart(Part, frozen=True):
    """One way in which values disagree with the spec: the note's code, the first case in words (in
    general words where values are masked), and where."""

    code: str
    text: str
    evidence: Evidence


class Repetition(Part, frozen=True):
    """How often a field repeated the request's, did not, or could not be checked: there was no request, or it has no
    value there."""

    held: int
    broken: int
    unchecked: int


class ValueCount(Part, frozen=True):
    """One of the few values that a field has, how often, and what it means where a table says so."""

    text: str
    count: int
    meaning: str | None = None


class Side(Part, frozen=True):
    """One side of a dispute between sources: what they take a value to mean, and what the traffic says for it.

    `versions` counts the value by the protocol version of its exchanges. `rival` is the value that another reading
    has instead, None where the same value is read in two ways; `rival_seen` is how often that one occurred. `stands`
    is the traffic's word, `text` the reason.
    """

    value: int
    meaning: str
    source: tuple[str, ...]
    seen: Evidence
    versions: dict[str, int]
    rival: int | None
    rival_seen: int
    stands: Stand
    text: str


class CasePart(Part, frozen=True):
    """What a field means where another one of its message, or of its row, has one of some values; `codes` names the
    table of its own values then, if they are codes."""

    field: str
    values: tuple[int, ...]
    doc: str
    codes: str | None
    source: tuple[str, ...]


class RowsPart(Part, frozen=True):
    """Lists of one message that belong together: items with the same index are one row. `key` is the column that tells
    rows apart, `count` the field that counts them; None where there is none."""

    name: str
    doc: str
    direction: Direction
    columns: tuple[str, ...]
    key: str | None
    count: str | None
    ordered: bool
    source: tuple[str, ...]


class PagingPart(Part, frozen=True):
    """How a long list is asked for in pieces: the request's fields `limit` and `cursor`, and the reply's `complete`."""

    limit: str
    cursor: str
    complete: str
    doc: str
    source: tuple[str, ...]


class FieldPart(Part, frozen=True):
    """One field of one command and direction.

    `seen` of `of` messages had it, `filled` of them with a value. `common` fields belong to every message. `when`
    says under which condition a required field is expected. `masked` values are not shown. `type` is None for what
    is undocumented. `evidence` supports the verdict. `repetition` is None for fields that repeat nothing; `proven` is
    False where the verdict is `confirmed`, but no repetition could be held against its request.

    `position` is the place, from 1, that it has in most messages. `presence` tells of all messages, `presence_ok` of
    the replies that tell success (`of_ok`, `seen_ok` of them have the field); None where there are none. The rest
    tells of the values seen, by item where the field is a list: `shape` is None where there are too few to tell;
    `distinct` counts different ones; where there are too many to count all, it is not `distinct_complete`, and
    `distinct_about` is an estimate of how many there are, else None; `low` and `high` are their range
    where all are numbers; `shortest` and `longest` are in characters; `type_seen` is the documented type where all
    are of it, else the narrowest of the spec's types that all are of; `values` has those of a constant or an enum.
    Neither values nor ranges are there for what is masked. `bound`: a field that was in none of n messages can still
    be in so many of all, with 95% confidence (3/n); None where it was seen, or n is 0. `readings` are the sides of
    each dispute about its codes.

    Of the spec, for whoever writes it: `layers` is how often its text is escaped, `derived` how it is made from a
    password (or that it is read off a picture), `cases` what it means depending on another field, `announces` which
    seconds it tells a client: the `interval` at which to poll, or the `limit` of silence.
    """

    name: str
    documented: bool
    verdict: Verdict
    doc: str
    type: str | None
    common: bool
    list: bool
    required: bool
    when: str | None
    echo: bool
    codes: str | None
    constants: tuple[str, ...]
    versions: tuple[str, ...]
    source: tuple[str, ...]
    masked: bool
    seen: int
    of: int
    filled: int
    examples: tuple[ExamplePart, ...]
    more_examples: bool
    contradictions: tuple[ContradictionPart, ...]
    evidence: Evidence
    repetition: Repetition | None
    proven: bool
    position: int | None = None
    presence: Presence = "never"
    presence_ok: Presence | None = None
    seen_ok: int = 0
    of_ok: int = 0
    shape: Shape | None = None
    distinct: int = 0
    distinct_complete: bool = True
    distinct_about: int | None = None
    low: int | None = None
    high: int | None = None
    shortest: int = 0
    longest: int = 0
    type_seen: str | None = None
    values: tuple[ValueCount, ...] = ()
    bound: float | None = None
    readings: tuple[Side, ...] = ()
    layers: int = 1
    derived: str | None = None
    cases: tuple[CasePart, ...] = ()
    announces: Announcement | None = None


class DirectionPart(Part, frozen=True):
    """The messages of one command in one direction.

    `empty` ones had no body, `foreign` ones no field that the spec knows; neither are among the `messages`.
    `more_fields` counts occurrences of undocumented fields beyond those listed.
    """

    messages: int
    empty: int
    foreign: Evidence
    fields: tuple[FieldPart, ...]
    more_fields: int


class Transition(Part, frozen=True):
    """How often one command came right after another in the same session. `gap` is the median time in seconds from
    the one to the other, None where no time is known."""

    before: str
    after: str
    count: int
    gap: float | None


class Latency(Part, frozen=True):
    """Seconds from the request to the complete reply: how many were measured, percentiles, and the longest."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class StatusCount(Part, frozen=True):
    """How often replies had a status; `value` is None for those that have none, or one that is no number."""

    value: int | None
    meaning: str | None
    ok: bool | None
    count: int


class ShownField(Part, frozen=True):
    """One field of an example. `raw` is how it stood on the wire, `text` its value (None where it is masked or has
    none), `length` that of the whole value in characters."""

    name: str
    raw: str
    text: str | None
    length: int
    masked: bool
    documented: bool
    doc: str
    meaning: str | None


class MessageExample(Part, frozen=True):
    """One message of an example: its body as it was, and its fields, masked values as `••••`. `more` counts fields
    beyond those shown; `cut` tells that the text is only the beginning."""

    raw: str
    cut: bool
    fields: tuple[ShownField, ...]
    more: int


class ExchangeExample(Part, frozen=True):
    """A real exchange: the first that succeeded, that failed, or that has something odd about it; `why` says what."""

    kind: Literal["success", "failure", "odd"]
    exchange: str
    time: datetime | None
    elapsed: float | None
    why: str
    request: MessageExample | None
    reply: MessageExample | None
    error: str | None


class CommandPart(Part, frozen=True):
    """One command. `name` is empty for messages that name none. `seen` tells whether any message was of it.

    `failed`, `unanswered` and `unasked` count exchanges as in the summary. `bound` is as that of a field. `preceded`
    and `followed` are the commands before and after it, the most frequent first. `errors` are those of its exchanges.
    `latency` is None where nothing was measured. `reply_name` is how the server spells the command in its reply, None
    where it repeats it as it was sent.
    """

    name: str
    documented: bool
    seen: bool
    verdict: Verdict
    doc: str
    effect: str | None
    versions: tuple[str, ...]
    source: tuple[str, ...]
    exchanges: Evidence
    failed: int
    unanswered: int
    unasked: int
    directions: dict[Direction, DirectionPart]
    bound: float | None = None
    preceded: tuple[Transition, ...] = ()
    followed: tuple[Transition, ...] = ()
    latency: Latency | None = None
    statuses: tuple[StatusCount, ...] = ()
    errors: Names = Names(distinct=0, complete=True, first=())
    examples: tuple[ExchangeExample, ...] = ()
    reply_name: str | None = None
    rows: tuple[RowsPart, ...] = ()
    paging: PagingPart | None = None


class ReadingPart(Part, frozen=True):
    """What some sources take a value to mean; `contradicts` names a value that cannot be right if this one is."""

    meaning: str
    source: tuple[str, ...]
    contradicts: int | None


class PlaceValue(Part, frozen=True):
    """One value of a code that was seen in one place."""

    value: int
    verdict: Verdict
    evidence: Evidence


class CodeValuePart(Part, frozen=True):
    """One value of a code table: of one place, or over all of them.

    `bound` is as that of a field, by the values that the place had. `sides` tell of each reading of a dispute what
    the traffic says for it.
    """

    value: int
    ok: bool | None
    readings: tuple[ReadingPart, ...]
    disputed: bool
    verdict: Verdict
    evidence: Evidence
    bound: float | None = None
    sides: tuple[Side, ...] = ()


class CodePlace(Part, frozen=True):
    """Where a code table is used: a field, perhaps only where another field has one of some values (`when`).

    `values` is its own table: all documented values in the spec's order, then the others that were seen. `of` counts
    the values it had. `more` counts occurrences of undocumented values beyond those listed; of a `masked` field none
    is listed.
    """

    command: str
    direction: Direction
    field: str
    when: str | None
    seen: tuple[PlaceValue, ...]
    never_seen: tuple[int, ...]
    more: int
    masked: bool
    of: int = 0
    values: tuple[CodeValuePart, ...] = ()


class CodePart(Part, frozen=True):
    """One code table. `fields` are the names of the fields that use it."""

    table: str
    fields: tuple[str, ...]
    doc: str
    seen: int
    values: tuple[CodeValuePart, ...]
    places: tuple[CodePlace, ...]


class NoteExamplePart(Part, frozen=True):
    """One note: where, in which words (None where they are masked), and the exchange."""

    where: str
    text: str | None
    exchange: str


class NotePart(Part, frozen=True):
    """All notes of one code: `count` of them, in `exchanges`."""

    code: str
    severity: Severity
    doc: str
    count: int
    exchanges: Evidence
    examples: tuple[NoteExamplePart, ...]
    more: bool


class Finding(Part, frozen=True):
    """One thing that stands out. `target` names the part of the report that tells more, `kind` that of `Findings`."""

    title: str
    text: str
    evidence: Evidence
    target: tuple[str, ...]
    kind: str = ""


class Findings(Part, frozen=True):
    """Things of one kind that stand out, the first of `total`. `loud` ones are worth a look at once."""

    kind: str
    title: str
    loud: bool
    total: int
    first: tuple[Finding, ...]


class Step(Part, frozen=True):
    """One exchange of a session. `way` tells whether it was asked and answered, pushed, left without an answer, or
    broke off; `status` is the reply's."""

    exchange: str
    time: datetime | None
    command: str
    status: int | None
    way: Literal["answered", "pushed", "unanswered", "failed"]


class SessionPart(Part, frozen=True):
    """The beginning of one session: `exchanges` in all, the first of them as `steps`."""

    id: str
    account: str | None
    first: datetime | None
    last: datetime | None
    exchanges: int
    steps: tuple[Step, ...]


class PollingPart(Part, frozen=True):
    """How a session sent one command again and again.

    `count` gaps between one and the next, in seconds; `interval` and `limit` are what the server had announced to it,
    in seconds, None where it had not.
    """

    session: str
    command: str
    count: int
    median: float
    p95: float
    max: float
    interval: int | None
    limit: int | None
    verdict: PollingVerdict


class PresencePart(Part, frozen=True):
    """A presence in which an account was seen, from `since` until it was seen in another or for the last time
    (`until`); `exchange` is where it was seen first."""

    account: str
    state: int
    meaning: str | None
    since: datetime | None
    until: datetime | None
    exchange: str


class MessageKind(Part, frozen=True):
    """Messages of one kind: those with one value of the field that tells kinds apart, or all pushes of a command
    (`field` and `value` are None then)."""

    command: str
    direction: Direction
    field: str | None
    value: int | None
    meaning: str | None
    evidence: Evidence
    verdict: Verdict
    bound: float | None = None


class InvariantPart(Part, frozen=True):
    """A rule that ties parts of the traffic together: how often it held, was broken, or could not be checked.

    `evidence` is of those that broke it. `target` names the part of the report that tells more.
    """

    id: str
    title: str
    held: int
    broken: int
    unchecked: int
    evidence: Evidence
    target: tuple[str, ...] = ()


class Behaviour(Part, frozen=True):
    """What shows only over several exchanges.

    All of it is of the sessions that were `followed`; what is said of presence is of the accounts that were `watched`.
    Where these are fewer than `session_count`, or `account_count`, there are too many to follow all: then they are an
    even choice, and how many there are is an estimate. `more_transitions` counts steps between commands beyond those
    listed; `sessions` are the first of `session_count`, `polling` the first of `polling_count`, `presence` the first of
    `presence_count`. `untimed` exchanges have no time; `clock_back` is how often the time of an exchange lies before
    that of the one before it in its session.
    """

    transitions: tuple[Transition, ...] = ()
    more_transitions: int = 0
    sessions: tuple[SessionPart, ...] = ()
    session_count: int = 0
    followed: int = 0
    polling: tuple[PollingPart, ...] = ()
    polling_count: int = 0
    presence: tuple[PresencePart, ...] = ()
    presence_count: int = 0
    account_count: int = 0
    watched: int = 0
    messages: tuple[MessageKind, ...] = ()
    invariants: tuple[InvariantPart, ...] = ()
    untimed: int = 0
    clock_back: int = 0


class Change(Part, frozen=True):
    """What is otherwise than it was: a command, a field, or a value of a code (`what`) is there that was not (`born`),
    is not there any more (`gone`), or has another domain (`changed`).

    `aspect` names what changed of it (`type`, `presence`, ...), empty for what is born or gone; `before` and `after`
    are its two states in words. `evidence` is of the newer traffic, empty where specs are compared.
    """

    kind: Literal["born", "gone", "changed"]
    what: Literal["command", "field", "code"]
    command: str | None
    direction: Direction | None
    field: str | None
    table: str | None
    value: str | None
    aspect: str
    before: str | None
    after: str | None
    text: str
    evidence: Evidence


class Against(Part, frozen=True):
    """What the report was held against besides the spec: another set of captures, a report of them, or a spec file.

    `exchanges` counts those of the older traffic, None for a spec."""

    name: str
    kind: Literal["captures", "report", "spec"]
    exchanges: int | None


class Report(Part, frozen=True):
    """The whole report. `lang` is the language of its sentences; codes, kinds and names are the same in each.
    `remarks` are sentences about the input that a reader must know before all else.

    `top` are the ten findings that matter most, of all kinds. `changes` are those since `against`; both None where
    nothing was given to hold it against.
    """

    qqlab_report: int
    lang: Lang
    spec: SpecPart
    captures: tuple[CapturePart, ...]
    remarks: tuple[str, ...]
    summary: Summary
    findings: tuple[Findings, ...]
    coverage: Coverage
    commands: tuple[CommandPart, ...]
    codes: tuple[CodePart, ...]
    notes: tuple[NotePart, ...]
    top: tuple[Finding, ...] = ()
    behaviour: Behaviour = Behaviour()
    against: Against | None = None
    changes: tuple[Change, ...] | None = None
