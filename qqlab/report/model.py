"""What a report says, as frozen values: the shape of `report.json`, and all that the templates get to see.

Law: data only. Captured text stands in it as it was, cut to a bounded length; every renderer makes it harmless
for its own medium. The shape is versioned by `qqlab_report`; names and meanings are stable within a version.
"""

from datetime import datetime

import msgspec

from qqlab.codec import Severity
from qqlab.profile import Verdict
from qqlab.spec import Direction

FORMAT = 1


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the report."""


class Evidence(Part, frozen=True):
    """How often, and the ids of the first exchanges; `NAME:ID` where the report is made of several captures.

    `more` tells whether there are other exchanges.
    """

    count: int
    exchanges: tuple[str, ...] = ()
    more: bool = False


class Source(Part, frozen=True):
    """Who says so, as the spec has it."""

    id: str
    title: str
    trust: str
    primary: bool


class SpecPart(Part, frozen=True):
    """The spec that the traffic was held against. `version_field` is the field that tells the protocol's version."""

    name: str
    title: str
    version_field: str
    sources: tuple[Source, ...]


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
    """Distinct names: how many, and the first of them. `complete` is False where there are more than were counted."""

    distinct: int
    complete: bool
    first: tuple[Name, ...]


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


class FieldPart(Part, frozen=True):
    """One field of one command and direction.

    `seen` of `of` messages had it, `filled` of them with a value. `common` fields belong to every message. `when`
    says under which condition a required field is expected. `masked` values are not shown. `type` is None for what
    is undocumented. `evidence` supports the verdict. `repetition` is None for fields that repeat nothing; `proven` is
    False where the verdict is `confirmed`, but no repetition could be held against its request.
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


class CommandPart(Part, frozen=True):
    """One command. `name` is empty for messages that name none. `seen` tells whether any message was of it.

    `failed`, `unanswered` and `unasked` count exchanges as in the summary.
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


class CodePlace(Part, frozen=True):
    """Where a code table is used: a field, perhaps only where another field has one of some values (`when`).

    `more` counts occurrences of undocumented values beyond those listed; of a `masked` field none is listed.
    """

    command: str
    direction: Direction
    field: str
    when: str | None
    seen: tuple[PlaceValue, ...]
    never_seen: tuple[int, ...]
    more: int
    masked: bool


class CodeValuePart(Part, frozen=True):
    """One value of a code table, over all its places."""

    value: int
    ok: bool | None
    readings: tuple[ReadingPart, ...]
    disputed: bool
    verdict: Verdict
    evidence: Evidence


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
    """One thing that stands out. `target` names the part of the report that tells more."""

    title: str
    text: str
    evidence: Evidence
    target: tuple[str, ...]


class Findings(Part, frozen=True):
    """Things of one kind that stand out, the first of `total`. `loud` ones are worth a look at once."""

    kind: str
    title: str
    loud: bool
    total: int
    first: tuple[Finding, ...]


class Report(Part, frozen=True):
    """The whole report. `remarks` are sentences about the input that a reader must know before all else."""

    qqlab_report: int
    spec: SpecPart
    captures: tuple[CapturePart, ...]
    remarks: tuple[str, ...]
    summary: Summary
    findings: tuple[Findings, ...]
    coverage: Coverage
    commands: tuple[CommandPart, ...]
    codes: tuple[CodePart, ...]
    notes: tuple[NotePart, ...]
