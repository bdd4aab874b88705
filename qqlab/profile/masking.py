"""What of a message may be kept: which names are names, and whose values are masked.

Law: the values of fields that the spec calls secret or personal are never kept, only their lengths; where it is unclear
what a field is, its name decides. What looks like no field's name may be someone's words (an unescaped `&`, a page
of HTML): of it, too, only the length is kept.
"""

import re

from qqlab.codec import Field, Message, Note
from qqlab.spec import Spec

# Notes that quote values of the field that they name; no others do.
QUOTING = frozenset(("value.type", "value.constant", "code.unknown", "list.count", "echo"))

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Masking:
    """What a spec masks; `names` are those of masked fields, in upper case."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.names = {field.name.upper() for _, _, field in spec.every_field() if field.secret or field.personal}

    def hides(self, message: Message, name: str) -> bool:
        """Whether the values of a field are masked; `name` is as it is shown."""
        known = self.spec.field(message.command, message.direction, name)
        if known is not None:
            return known.secret or known.personal
        return name.upper() in self.names or _NAME.fullmatch(name) is None

    def is_quoted(self, note: Note, message: Message) -> bool:
        """Whether a note quotes a value that is masked. One about a repetition quotes the request's, too."""
        if note.field is None or kind(note) not in QUOTING:
            return False
        asked = self.spec.field(message.command, "request", note.field) if kind(note) == "echo" else None
        return self.hides(message, note.field) or (asked is not None and (asked.secret or asked.personal))


def kind(note: Note) -> str:
    """The note's code; of all repetitions the same one."""
    return "echo" if note.code.partition(".")[0] == "echo" else note.code


def is_words(field: Field) -> bool:
    """Whether nothing says that this is a field: no spec, and no `=` or not how names look."""
    return field.spec is None and (field.raw is None or _NAME.fullmatch(field.name) is None)


def shown(field: Field) -> str:
    """The field's name, unless nothing says that it is one."""
    if is_words(field):
        return f"(no field name, {len(field.name)} character{'' if len(field.name) == 1 else 's'})"
    return field.name


def shown_name(name: str | None, message: Message) -> str | None:
    """How the name that a note gives is shown, which depends on the fields of that name."""
    told = [shown(field) for field in message.fields if field.name == name]
    return next((text for text in told if text != name), name)
