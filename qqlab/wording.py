"""What is decoded, in words: a field's value, what its code means, a cell of a table, the status of an exchange.

Law: each function gives one printable line, harmless on any screen (`qqlab.visible`); how lines are laid out is the
caller's. A secret is never among the words unless it is asked for.
"""

from qqlab.codec import Decoded, Field, Message, Scalar, case_code, case_of
from qqlab.spec import CodeValue, Spec
from qqlab.visible import visible


def status(decoded: Decoded, known: Spec) -> str:
    """The status of a reply, or the first code of it that says failure, with its name; empty without a status."""
    if decoded.reply is None:
        return "no reply"
    shown = ""
    for field in decoded.reply.fields:
        code = None if field.spec is None else known.code(field.spec, field.value)
        if field.name == known.roles.status or (code is not None and code.ok is False):
            shown = f"{field.name}={field.value}" + (f" {code.name}" if code is not None else "")
            if code is not None and code.ok is False:
                break
    return visible(shown, 60)


def meaning(field: Field, known: Spec) -> str:
    """What the field's value means: the name of its code, or that it is a secret."""
    if field.spec is None:
        return ""
    if field.spec.secret:
        return "(a secret)"
    return named(known.code(field.spec, field.value))


def named(code: CodeValue | None) -> str:
    """All readings of a code, each with its sources where they disagree; empty for none."""
    if code is None:
        return ""
    if len(code.readings) == 1:
        return visible(code.name)
    return visible("; or ".join(f"{reading.meaning} ({', '.join(reading.source)})" for reading in code.readings))


def cell(message: Message, column: str, cells: dict[str, Scalar], known: Spec, limit: int = 200) -> str:
    """One cell of a table's row with the name of its code, cut to `limit` characters."""
    value = cells.get(column)
    if value is None:
        return ""
    field = message.get(column)
    if field is None or field.spec is None:
        return visible(str(value), limit)
    case = case_of(field.spec, cells)
    code = known.code(field.spec, value) if case is None else case_code(known, case, value)
    return visible(str(value), limit) + (f" {named(code)}" if code is not None else "")


def secret_names(known: Spec) -> frozenset[str]:
    """The names of all fields that are secret somewhere, in capitals."""
    return frozenset(field.name.upper() for _, _, field in known.every_field() if field.secret)


def is_secret(field: Field, names: frozenset[str]) -> bool:
    """Whether the field's value is a secret; where nothing is known of the field here, its name decides."""
    return field.name.upper() in names if field.spec is None else field.spec.secret
