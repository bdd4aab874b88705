"""What a finding says, in words for who has never read the spec.

Law: every rule has its sentence; what is named in it (a field, a row) comes with what the spec says of it. Captured
text passes `visible` here and is cut, so that what comes out is one printable line; escaping for a medium is the
format's.
"""

import re

from qqlab.diff import RULES, Finding
from qqlab.failures import FAILURES
from qqlab.spec import Field, Rows, Spec
from qqlab.visible import visible

WIDEST = 200
_NAME = 40
_GLOSS = 70
_SHORT = 40
_TARGET = "target."

# {whose}: "Login's reply"; {command}: "Login"; {field}: "NK (nickname)"; {row}: "friend 10003".
_OWN = {
    "body": "{whose} has another body, one of them no text of the protocol",
    "code": "{whose} has another code in {field}",
    "count": "{whose} miscounts its rows in {field}",
    "echo": "{whose} does not repeat the request's {field} as it should",
    "exchange.command": "the two captures have different commands under this id",
    "exchange.extra": "{command} was asked in the second capture only",
    "exchange.missing": "{command} was asked in the first capture only",
    "field.bare": "{whose} has {field} without `=` on one side only",
    "field.duplicate": "{whose} repeats {field} another number of times",
    "field.extra": "{whose} has a field too many: {field}",
    "field.missing": "{whose} lacks {field}",
    "field.order": "{whose} has its fields in another order",
    "field.spelling": "{whose} spells the name of {field} otherwise",
    "http.coding": "{whose} is packed on one side only, which was not asked for",
    "http.status": "{whose} has another HTTP status",
    "line.end": "{whose} ends its line otherwise",
    "list.length": "{whose} has more or fewer items in {field} than in the lists beside it",
    "list.order": "{whose} has the items of {field} in another order than those of the lists beside it",
    "list.terminator": "{whose} ends the list {field} otherwise, with or without a separator",
    "more": "{whose} differs in more places than are listed or read",
    "push.extra": "{command} was pushed, which nobody did in the first capture",
    "push.missing": "{command} was not pushed",
    "reply.broken": "{whose} came whole on one side only",
    "reply.extra": "{command} was answered, which it was not in the first capture",
    "reply.missing": "{command} was not answered",
    "request": "{command} was asked otherwise",
    "row.extra": "{whose} has a row too many: {row}",
    "row.missing": "{whose} lacks {row}",
    "row.order": "{whose} has its rows in another order",
    "row.value": "{whose} has another {field} for {row}",
    "value": "{whose} has another {field}",
    "body.terminator": "{whose} ends otherwise, with or without `&` or a line end",
    "command.case": "{whose} writes the command in another case",
    "row.permuted": "{whose} has its rows in another order, which means nothing",
    "text.charset": "{whose} has the same {field} in another charset",
    "text.escape": "{whose} has the same {field}, escaped otherwise",
    "value.form": "{whose} has the same {field}, written otherwise",
}
_TARGETS = {
    "refused": "the server refused the connection for {command}",
    "unreachable": "the server could not be reached for {command}",
    "closed": "the server closed the connection instead of answering {command}",
    "cut": "the server closed the connection in the middle of {whose}",
    "silent": "the server sent no reply to {command} in time",
    "slow": "the server did not finish {whose} in time",
    "long": "{whose} is longer than anything the protocol has",
    "length": "{whose} goes on behind the end that its head states",
    "no-http": "{whose} is no HTTP",
    "flood": "the server pushed lines without end",
    "late": "{whose} came when its time was over",
    "reset": "the server broke the connection off when it was asked {command}",
    "redirect": "{whose} sends the client to another place",
    "coding": "{whose} has a content coding that cannot be undone",
    "charset": "{whose} is in no charset of the protocol",
}
TITLES = {**_OWN, **{_TARGET + code: words for code, words in _TARGETS.items()}}
"""The words for every rule."""


def title(finding: Finding, spec: Spec) -> str:
    """What deviates where, without the values: the same for all findings of a kind."""
    command = visible(finding.command, _NAME) or "a message without a command"
    return TITLES[finding.rule].format(
        whose=_whose(finding), command=command, field=named(finding, spec), row=_row_named(finding, spec)
    )


def sentence(finding: Finding, spec: Spec, limit: int = WIDEST) -> str:
    """What deviates where, with what was expected and what came."""
    said = outcome(finding, limit)
    return title(finding, spec) + (f": {said}" if said else "")


def outcome(finding: Finding, limit: int = WIDEST) -> str:
    """What was expected and what came; empty where neither side says anything."""
    expected, actual = (value(side, limit) for side in (finding.expected, finding.actual))
    if expected is None:
        return "" if actual is None else f"unexpected {actual}"
    return f"expected {expected}" if actual is None else f"expected {expected}, got {actual}"


def value(side: str | None, limit: int = WIDEST) -> str | None:
    """One side's value as it is shown; None where that side has none."""
    return None if side is None else visible(side, limit) or "(empty)"


def help_of(rule: str) -> str:
    """What a rule looks for, and why it is as severe as it is, in sentences."""
    failure = next((told.meaning for code, told in FAILURES.items() if _TARGET + code == rule), None)
    known = RULES.get(rule)
    return failure or ("" if known is None else f"{known.text} {known.reason}")


def where(finding: Finding) -> str:
    """Which exchange, and in which of both captures where it is in one only."""
    identifier = visible(finding.exchange or finding.actual_exchange, _NAME)
    return f"exchange {identifier}" + ("" if finding.exchange else " of the second capture")


def counted(number: int, what: str) -> str:
    """`1 finding`, `2 findings`, with a comma between thousands."""
    return f"{number:,} {what}{'s'[: number != 1]}"


def named(finding: Finding, spec: Spec) -> str:
    """The field by its name, with what the spec says of it."""
    name = visible(finding.field or "", _NAME) or "a field without a name"
    known = _known(finding, spec)
    if known is None:
        return f"{name} (not in the spec)" if finding.field and finding.direction else name
    gloss = _gloss(known.doc)
    return f"{name} ({gloss})" if gloss else name


def _known(finding: Finding, spec: Spec) -> Field | None:
    if finding.direction is None or finding.field is None:
        return None
    return spec.field(spec.command(finding.command), finding.direction, finding.field)


def _gloss(doc: str) -> str:
    """The beginning of what the spec says of a field, as it may stand in a sentence."""
    first = re.split(r"\. |;|: ", doc, maxsplit=1)[0].rstrip(".")
    first = first if len(first) <= _SHORT else first.split(", ")[0]
    cut = first if len(first) <= _GLOSS else first[:_GLOSS].rsplit(" ", 1)[0] + " …"
    return visible(cut[:1].lower() + cut[1:] if cut[1:2].islower() or cut[1:2] == " " else cut)


def _whose(finding: Finding) -> str:
    message = finding.direction or "reply"
    return f"{visible(finding.command, _NAME)}'s {message}" if finding.command else f"a {message} without a command"


def _row_named(finding: Finding, spec: Spec) -> str:
    """A row as the spec calls it, by its key or by its place."""
    if finding.row is None:
        return "a row"
    table = _table(finding, spec)
    return f"{'row' if table is None else table.name} {visible(finding.row, _NAME)}"


def _table(finding: Finding, spec: Spec) -> Rows | None:
    command = spec.command(finding.command)
    tables = [] if command is None else [rows for rows in command.rows if rows.direction == finding.direction]
    return next((rows for rows in tables if finding.field in rows.columns), tables[0] if tables else None)
