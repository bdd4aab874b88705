"""What other floors say in English, told in another language: a note's own sentence, what a capture lacks.

Law: the codec says in English what is odd about a very case, with the values in it; here stand the shapes of its
sentences, by the note's code, each a key of the catalogue. A sentence of no known shape stays as it is, and so does one
that quotes what somebody else said (an operating system's error). Pure.
"""

import re
from collections.abc import Iterable
from functools import cache

from qqlab.report.say import Say

SHAPES: dict[str, tuple[str, ...]] = {
    "account.missing": ("no {field}",),
    "body.cut": ("only the first {length} of {whole} bytes are in the capture (SHA-256 of all: {digest})",),
    "body.foreign": ("the body holds no field that the spec knows",),
    "code.unknown": (
        "{field}: {value} with {condition} is not in table {table}",
        "{field}: {value} is not in table {table}",
    ),
    "command.missing": ("no {field}",),
    "echo": (
        "{field}: the reply says {said}, not the request's: no request can have said that",
        "{field}: the request says {asked}, the reply {said}",
    ),
    "field.bare": ("segment {place} is {written}, without =",),
    "field.case": ("{field} is written {written}",),
    "field.duplicate": ("{field} stands there {count} times",),
    "field.many": (
        "there are {count} fields, the first {read} were read",
        "{field} has {count} items, the first {read} were read",
    ),
    "field.missing": ("{command}: the request has no {field}", "{command}: the reply has no {field}"),
    "field.order": ("{field} stands later than the spec has it",),
    "field.undocumented": ("{command}: the request has {field}", "{command}: the reply has {field}"),
    "field.version": ("{field} belongs to {versions}",),
    "http.encoding": ("the content coding cannot be undone",),
    "http.framing": (
        "bytes that belong to no message stand before it",
        "the chunks break off",
        "Content-Length is no number",
        "Content-Length is stated as {lengths}",
        "Content-Length is {stated}, and the body has {actual} bytes",
    ),
    "http.status": ("HTTP status {status}",),
    "list.count": ("{field} says {count}, there are {length}",),
    "list.length": ("lists of one table differ: {lengths}",),
    "list.unterminated": ("{field}: the last item is not followed by a comma",),
    "reply.empty": ("the reply's body is empty",),
    "reply.missing": ("no reply was recorded",),
    "request.missing": ("a reply without a request",),
    "text.charset": ("{field} is in no known charset", "{field} is {charset}, not UTF-8"),
    "text.escape": ("{field}: a % is not followed by two hex digits",),
    "text.plus": ("{field}: + was read as a blank", "{field}: + was read as a plus"),
    "value.constant": ("{field}: {value} is none of {constants}",),
    "value.empty": ("{field} is empty",),
    "value.type": ("{field}: {value} is not of type {type}",),
    "version.missing": ("no {field}",),
}

# What a capture says of what it lacks.
LACKS = (
    "{file}: the last line is cut off and was skipped ({count} bytes)",
    "{file}: segment {first} to {last} of this recording does not stand beside it",
    "{file}: segment {number} of this recording does not stand beside it",
    "{file}: segment {number} of this recording is not among them",
)

# Notes whose sentence is a value alone, or somebody else's.
UNSHAPED = frozenset(("command.unknown", "version.unknown", "exchange.error"))

# What a placeholder holds that is made of words itself: how the parts are joined, and what each looks like.
INNER = {"lengths": ((", ", "{field} has {count}"), (" and as ", "{length}"))}


def retold(code: str, text: str, say: Say) -> str:
    """A note's text in the language of `say`."""
    if say.lang == "en":
        return text
    return _again(SHAPES.get(code) or SHAPES.get(code.partition(".")[0], ()), text, say)


def lacking(text: str, say: Say) -> str:
    """What a capture says that it lacks, in the language of `say`."""
    if say.lang == "en":
        return text
    return say.translated("; ").join(_again(LACKS, part, say) for part in text.split("; "))


def where(place: str, say: Say) -> str:
    """The place of a note, which is told by a command, a direction and a field, in the language of `say`."""
    words = {"request": say("request"), "reply": say("reply")}
    return " ".join(words.get(part, part) for part in place.split(" "))


def _again(shapes: Iterable[str], text: str, say: Say) -> str:
    for sentence in shapes:
        if found := _pattern(sentence).fullmatch(text):
            values = {name: _inner(name, value, say) for name, value in found.groupdict().items()}
            return say.translated(sentence).format(**values)
    return text


def has_shape(code: str, text: str) -> bool:
    """Whether a note's text is known to this module."""
    shapes = SHAPES.get(code) or SHAPES.get(code.partition(".")[0], ())
    return code in UNSHAPED or any(_pattern(sentence).fullmatch(text) for sentence in shapes)


def _inner(name: str, value: str, say: Say) -> str:
    for joint, sentence in INNER.get(name, ()):
        parts = [_pattern(sentence).fullmatch(part) for part in value.split(joint)]
        if joint in value and all(parts):
            return say.several(say.translated(sentence).format(**part.groupdict()) for part in parts if part)
    return value


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """What matches a sentence whatever fills its placeholders, line ends included."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile(
        "".join(f"(?P<{part}>.*)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL
    )
