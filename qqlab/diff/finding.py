"""What a comparison can find: a table of rules with stable dotted names, each with a severity and a sentence.

Law: a finding is data, complete in itself: whoever prints, counts or exports it needs no capture. Rules of
severity `info` are equivalences (the same thing, written otherwise), all others are differences. Values are
captured text as it was: show them through `qqlab.visible`. Values of secret fields never stand in a finding.
"""

from typing import NamedTuple

import msgspec

from qqlab.codec import Severity
from qqlab.spec import Direction

RULES: dict[str, tuple[Severity, str]] = {
    "body": ("error", "The bodies differ, and one of them at least holds no field of the protocol."),
    "code": ("error", "A code has another value."),
    "count": ("error", "Only one side's count fits its rows, or the counts differ and neither does."),
    "echo": ("error", "One side repeats what its own request said, the other does not."),
    "exchange.command": ("error", "The exchanges of this id are of different commands, so they were not compared."),
    "exchange.extra": ("error", "Only the second capture has this exchange."),
    "exchange.missing": ("error", "Only the first capture has this exchange."),
    "field.bare": ("warning", "One side writes the field without `=`."),
    "field.duplicate": ("warning", "The field stands there more often, or less often."),
    "field.extra": ("warning", "A field too many."),
    "field.missing": ("error", "A field is absent."),
    "field.order": ("warning", "The same fields stand in another order; naive clients depend on it."),
    "field.spelling": ("warning", "The field's name is written otherwise; naive clients depend on it."),
    "http.status": ("error", "The HTTP status differs."),
    "line.end": ("warning", "The line ends otherwise; naive clients depend on it."),
    "list.length": ("error", "A list is longer or shorter than those that belong to it."),
    "list.terminator": ("warning", "Only one side puts the separator behind the last item."),
    "more": ("warning", "There are more differences in this exchange than are listed."),
    "push.extra": ("error", "Only the second capture has this push, which nobody asked for."),
    "push.missing": ("error", "Only the first capture has this push, which nobody asked for."),
    "reply.broken": ("error", "Only one of the replies came whole, with nothing behind its end."),
    "reply.extra": ("error", "There is a reply where the first capture has none."),
    "reply.missing": ("error", "There is no reply."),
    "request": ("warning", "The requests of this id differ, beside sequence number and secrets: so may the replies."),
    "row.extra": ("error", "A row too many."),
    "row.missing": ("error", "A row is absent."),
    "row.order": ("error", "The row stands elsewhere, where the order means something."),
    "row.value": ("error", "A row has another value in this column."),
    "value": ("error", "A field has another value."),
    "body.terminator": ("info", "Only one side ends the body with `&`, or with a line end."),
    "command.case": ("info", "The command is written in another case."),
    "row.permuted": ("info", "The rows stand in another order, which means nothing."),
    "text.charset": ("info", "The same text in another charset."),
    "text.escape": ("info", "The same text, escaped otherwise."),
    "value.form": ("info", "The same value with other blanks or zeros."),
}


class Deviation(NamedTuple):
    """What is unlike in two messages, before it is said which exchange they are of.

    `row` is the key of a row, or `#n` for its place. `expected` and `actual` are None where that side has nothing.
    """

    rule: str
    field: str | None = None
    row: str | None = None
    expected: str | None = None
    actual: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One deviation of one exchange. `direction` is None for what concerns the exchange as a whole."""

    exchange: str
    command: str
    rule: str
    severity: Severity
    direction: Direction | None = None
    field: str | None = None
    row: str | None = None
    expected: str | None = None
    actual: str | None = None

    @property
    def equivalent(self) -> bool:
        """Whether both sides mean the same."""
        return self.severity == "info"


def describe(rule: str) -> str:
    """The table's sentence for a rule."""
    return RULES[rule][1]
