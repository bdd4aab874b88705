"""What a profile holds: counts by command, field, code and note.

Law: types only, filled by the fold; all of them bounded in size, since they are made of bounded counters.
"""

import msgspec

from qqlab.codec import Severity
from qqlab.profile.tally import Evidence, Examples, Names


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

    `more` counts undocumented values beyond the limit, which is none where the field is masked.
    """

    values: dict[int, Evidence] = {}
    more: int = 0


class FieldTally(msgspec.Struct):
    """One field of one command and direction.

    `seen` counts messages that have it, `filled` those where it has a value. `versions` maps the protocol versions
    of their exchanges to whether it ever had a value there. `contradictions` are by note code; a required field that
    no message has is here for them alone. `codes` has the values by table: the index of the case that applied, or -1
    for the field's own table. `echo` counts where the spec has the field repeat the request's.
    """

    seen: Evidence
    filled: Evidence
    masked: bool
    examples: Examples
    versions: dict[str, bool] = {}
    contradictions: dict[str, Contradiction] = {}
    codes: dict[int, CodeTally] = {}
    echo: EchoTally = msgspec.field(default_factory=EchoTally)


class MessageTally(msgspec.Struct):
    """The messages of one command in one direction.

    `empty` ones have no field at all, `foreign` ones none that the spec knows; both count nowhere else. `more`
    counts occurrences of undocumented fields beyond the limit of names.
    """

    messages: int = 0
    empty: int = 0
    foreign: Evidence = msgspec.field(default_factory=Evidence)
    fields: dict[str, FieldTally] = {}
    more: int = 0


class CommandTally(msgspec.Struct):
    """One command. `name` is the spec's spelling or the first one seen; empty for messages that name no command.

    `exchanges` counts those whose request (or lone reply) is of this command; of them `failed` broke off, `unanswered`
    have no reply though nothing is known to have failed, `unasked` have no request. `versions` counts them by
    protocol version.
    """

    name: str
    exchanges: Evidence
    request: MessageTally
    reply: MessageTally
    failed: int = 0
    unanswered: int = 0
    unasked: int = 0
    versions: dict[str, int] = {}


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
