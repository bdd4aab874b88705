"""How severe a deviation is, and why: its rule says it, unless the spec knows better of that field or that code.

Law: one severity and one sentence for each deviation, by the rule, the spec and the two values alone.
"""

from qqlab.codec import Severity
from qqlab.diff.finding import RULES, Deviation
from qqlab.diff.values import number
from qqlab.spec import CodeValue, Command, Direction, Field, Spec

Weight = tuple[Severity, str]


def weigh(deviation: Deviation, direction: Direction | None, command: Command | None, spec: Spec) -> Weight:
    """The severity of a deviation of that command's message, and one sentence on why."""
    rule = RULES[deviation.rule]
    known = None
    if deviation.field is not None and direction is not None:
        known = spec.field(command, direction, deviation.field)
    found = None
    if deviation.rule == "field.missing":
        found = _missing(known)
    elif deviation.rule == "field.extra":
        found = _extra(known)
    elif known is not None and known.type == "code" and deviation.rule in ("code", "row.value"):
        found = _code(deviation, known, spec)
    return found or (rule.severity, rule.reason)


def _missing(known: Field | None) -> Weight | None:
    if known is None:
        return "warning", "The spec does not know this field, and no client that was written from it does."
    if known.required:
        return None
    return "warning", "The spec does not require this field: clients have to do without it."


def _extra(known: Field | None) -> Weight | None:
    return None if known is None else ("warning", "The spec knows this field, but here it was not sent before.")


def _code(deviation: Deviation, known: Field, spec: Spec) -> Weight | None:
    old, new = spec.code(known, number(deviation.expected)), spec.code(known, number(deviation.actual))
    if old is None or new is None:
        return "error", "No source says what one of the values means, so no client knows."
    if {old.ok, new.ok} == {True, False}:
        return "error", "It tells success on one side and failure on the other."
    if _contradict(old, new) or _contradict(new, old):
        return "warning", "The sources disagree on these two values: to some they mean the same."
    return None


def _contradict(one: CodeValue, other: CodeValue) -> bool:
    return any(reading.contradicts == other.value for reading in one.readings)
