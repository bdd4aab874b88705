"""What a comparison can find: a table of rules with stable dotted names, each with a severity and a sentence.

Law: a finding is data, complete in itself: whoever prints, counts or exports it needs no capture. Rules of
severity `info` are equivalences (the same thing, written otherwise), all others are differences. Values are
captured text as it was: show them through `qqlab.visible`. Values of secret fields never stand in a finding.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from qqlab.codec import Severity
from qqlab.failures import FAILURES
from qqlab.spec import Direction


class Rule(NamedTuple):
    """A kind of deviation: how severe it is by itself, what it is, and why it is so severe."""

    severity: Severity
    text: str
    reason: str


_LOST = "A client acts on what is not there, or does not see what is."
_ACTED = "Clients act on this value."
_UNASKED = "Clients show what is pushed to them, and nothing else tells them of it."
_UNLIKE = "What one side has has nothing to be held against, so its reply is unproven."
_NAIVE = "Clients that read by place or by the exact text break on it; others do not notice."
_SAME = "Both sides mean the same."
_BROKEN = "A client can read nothing, or only a part, of such a reply."

_RULES: dict[str, tuple[Severity, str, str]] = {
    "body": ("error", "The bodies differ, and one of them at least holds no field of the protocol.", _BROKEN),
    "code": ("error", "A code has another value.", _ACTED),
    "count": (
        "error",
        "Only one side's count fits its rows, or the counts differ and neither does.",
        "Clients read as many rows as the count says.",
    ),
    "echo": (
        "error",
        "One side repeats what its own request said, the other does not.",
        "A client that matches replies to its requests takes this one for another's.",
    ),
    "exchange.command": (
        "error",
        "The exchanges of this id are of different commands, so they were not compared.",
        _UNLIKE,
    ),
    "exchange.extra": ("error", "Only the second capture has this exchange.", _UNLIKE),
    "exchange.missing": ("error", "Only the first capture has this exchange.", _UNLIKE),
    "field.bare": ("warning", "One side writes the field without `=`.", _NAIVE),
    "field.duplicate": (
        "warning",
        "The field stands there more often, or less often.",
        "Clients take the first of them, or the last.",
    ),
    "field.extra": (
        "warning",
        "A field too many.",
        "Clients that know the field by its name do not notice; those that count fields do.",
    ),
    "field.missing": ("error", "A field is absent.", _LOST),
    "field.order": ("warning", "The same fields stand in another order; naive clients depend on it.", _NAIVE),
    "field.spelling": ("warning", "The field's name is written otherwise; naive clients depend on it.", _NAIVE),
    "http.coding": (
        "error",
        "Only one side packs the body, which its request did not ask for.",
        "Clients of this protocol unpack nothing: they see rubbish.",
    ),
    "http.status": ("error", "The HTTP status differs.", "Clients take a reply by its status first."),
    "line.end": ("warning", "The line ends otherwise; naive clients depend on it.", _NAIVE),
    "list.length": (
        "error",
        "A list is longer or shorter than those that belong to it.",
        "Clients join the lists by place, so a row gets another's value.",
    ),
    "list.order": (
        "error",
        "The items of one list stand in another order, and those of the lists beside it do not.",
        "Clients join the lists by place, so a row gets another's value.",
    ),
    "list.terminator": ("warning", "Only one side puts the separator behind the last item.", _NAIVE),
    "more": (
        "warning",
        "There are more differences in this exchange than are listed, or some behind what is read of it.",
        "What is not listed may be as severe as what is.",
    ),
    "push.extra": ("error", "Only the second capture has this push, which nobody asked for.", _UNASKED),
    "push.missing": ("error", "Only the first capture has this push, which nobody asked for.", _UNASKED),
    "reply.broken": ("error", "Only one of the replies came whole, with nothing behind its end.", _BROKEN),
    "reply.extra": ("error", "There is a reply where the first capture has none.", _UNLIKE),
    "reply.missing": ("error", "There is no reply.", "A client waits for it in vain."),
    "request": (
        "warning",
        "The requests of this id differ, beside sequence number and secrets: so may the replies.",
        "Other questions may have other answers: what the replies say is less sure.",
    ),
    "row.extra": ("error", "A row too many.", _LOST),
    "row.missing": ("error", "A row is absent.", _LOST),
    "row.order": (
        "error",
        "The row stands elsewhere, where the order means something.",
        "Clients take rows by their order, or go on behind the last one.",
    ),
    "row.value": ("error", "A row has another value in this column.", _ACTED),
    "value": ("error", "A field has another value.", _ACTED),
    "body.terminator": ("info", "Only one side ends the body with `&`, or with a line end.", _SAME),
    "command.case": ("info", "The command is written in another case.", _SAME),
    "row.permuted": ("info", "The rows stand in another order, which means nothing.", _SAME),
    "text.charset": ("info", "The same text in another charset.", _SAME),
    "text.escape": ("info", "The same text, escaped otherwise.", _SAME),
    "value.form": ("info", "The same value with other blanks or zeros.", _SAME),
}
TARGET = "target."
RULES: dict[str, Rule] = {
    **{name: Rule(*rule) for name, rule in _RULES.items()},
    **{TARGET + code: Rule("error", failure.meaning, _BROKEN) for code, failure in FAILURES.items()},
}
"""All rules. What a bad target can do is one for each name that it has in `qqlab.failures`."""


class Deviation(NamedTuple):
    """What is unlike in two messages, before it is said which exchange they are of.

    `row` is the key of a row, or `#n` for its place. `expected` and `actual` are None where that side has nothing.
    `about` are the accounts that the place names, beside those of the exchange.
    """

    rule: str
    field: str | None = None
    row: str | None = None
    expected: str | None = None
    actual: str | None = None
    about: tuple[str, ...] = ()


def unlike(rule: str, field: str | None, row: str | None, sides: Iterable[str | None]) -> Deviation:
    """A deviation of which both sides say something, the expected one first."""
    expected, actual = sides
    return Deviation(rule, field, row, expected, actual)


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One deviation of one exchange.

    `id` is 8 hex digits made of what deviates where, so that it is the same in each run, whatever came instead. Of
    values that are very long only the part that differs is held, and their length is said.
    `exchange` is the id in the first capture, empty where only the second has it; `actual_exchange` the id in the
    second, empty where there is none. `reason` is one sentence on why it is so severe. `direction` is None for what
    concerns the exchange as a whole. `row` is a row's key or `#n` for its place; then `field` is the column. `about`
    names the accounts that it speaks of: the friend of a missing row, the sender of a missing message.
    """

    id: str = ""
    exchange: str
    actual_exchange: str = ""
    command: str
    account: str = ""
    rule: str
    severity: Severity
    reason: str = ""
    direction: Direction | None = None
    field: str | None = None
    row: str | None = None
    expected: str | None = None
    actual: str | None = None
    about: tuple[str, ...] = ()

    @property
    def equivalent(self) -> bool:
        """Whether both sides mean the same."""
        return self.severity == "info"


class Cause(NamedTuple):
    """A finding that explains others: its id, in one sentence why, and the ids of its consequences."""

    finding: str
    why: str
    consequences: tuple[str, ...]


class Suppressed(NamedTuple):
    """A finding that an ignore rule took out: the rule's name, and its reason."""

    finding: Finding
    by: str
    reason: str


class Ignoring(Protocol):
    """What knows which findings are to be ignored."""

    def apply(
        self, findings: Sequence[Finding], today: date
    ) -> tuple[Sequence[Finding], Sequence[Suppressed], Sequence[str]]:
        """Those that stay, those that do not, and the names of rules that matched nothing. `today` tells which rules
        have expired."""


def identify(*place: object) -> str:
    """The id of a finding by what tells its place from all others."""
    return blake2b("\0".join(map(str, place)).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def describe(rule: str) -> str:
    """The table's sentence for a rule."""
    return RULES[rule].text
