"""What can be odd about traffic: a catalogue of stable dotted codes, each with a severity and a sentence.

Law: whatever a client or a server does wrong becomes a note, never an exception. Codes are stable: reports,
filters and other people's scripts rely on them. `echo.*` is open-ended: the field that should have been
repeated stands in it, lower-case (`echo.seq`).
"""

from typing import Literal

import msgspec

from qqlab.spec import Direction

Severity = Literal["info", "warning", "error"]

CATALOGUE: dict[str, tuple[Severity, str]] = {
    "account.missing": ("warning", "The request names no account."),
    "body.cut": ("warning", "The capture holds only the beginning of the body."),
    "body.foreign": ("error", "The body holds no field that the spec knows; nothing more is said of it."),
    "code.unknown": ("warning", "The value stands in no code table of the spec."),
    "command.missing": ("error", "The message names no command."),
    "command.unknown": ("warning", "The spec has no such command."),
    "echo": ("warning", "The reply does not repeat what the request said."),
    "exchange.error": ("error", "The connection failed before the exchange was complete."),
    "field.bare": ("info", "A segment has no `=`."),
    "field.case": ("info", "The field's name is written in another case than the spec's."),
    "field.duplicate": ("warning", "The field stands in the message more than once; the first one counts."),
    "field.many": ("error", "The message has more fields, or a list more items, than are read."),
    "field.missing": ("warning", "A required field is absent."),
    "field.order": ("info", "Fields stand in another order than the server's."),
    "field.undocumented": ("warning", "The spec does not have this field here."),
    "field.version": ("info", "The spec has this field in other versions of the protocol only."),
    "http.encoding": ("warning", "The body's content coding cannot be undone."),
    "http.framing": ("warning", "What the head says of the body's length is not so, or bytes stand where none belong."),
    "http.status": ("warning", "The reply's HTTP status is not 200."),
    "list.count": ("warning", "The count field does not say how many rows there are."),
    "list.length": ("warning", "Lists that belong together have different lengths."),
    "list.unterminated": ("info", "The list's last item is not followed by the separator."),
    "reply.empty": ("error", "The reply has no body."),
    "reply.missing": ("warning", "No reply is in the record."),
    "request.missing": ("info", "A reply without a request: pushed, or its request is not in the capture."),
    "text.charset": ("warning", "The text is not in the protocol's charset."),
    "text.escape": ("info", "A `%` is not followed by two hex digits."),
    "text.plus": ("info", "The value holds `+`; whether it means a blank was decided by the rest of the message."),
    "value.constant": ("warning", "The value differs from the constant that the spec knows."),
    "value.empty": ("info", "A field that should have a value has none."),
    "value.type": ("warning", "The value is not of the documented type."),
    "version.missing": ("info", "The message names no version."),
    "version.unknown": ("warning", "The spec does not know this version."),
}


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something odd: `code` from the catalogue, `text` one line about this very case.

    `direction` is None for what concerns the exchange as a whole, `field` None for what concerns no field.
    `text` holds captured text as it was: show it through `qqlab.visible`.
    """

    code: str
    severity: Severity
    text: str
    direction: Direction | None = None
    field: str | None = None


def note(code: str, text: str, direction: Direction | None = None, field: str | None = None) -> Note:
    """Make a note of the catalogue; an `echo.*` code takes the severity of `echo`."""
    severity, _ = CATALOGUE[code if code in CATALOGUE else code.partition(".")[0]]
    return Note(code=code, severity=severity, text=text, direction=direction, field=field)


def describe(code: str) -> str:
    """The catalogue's sentence for a code."""
    return CATALOGUE[code if code in CATALOGUE else code.partition(".")[0]][1]
