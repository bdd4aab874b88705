"""What a plan reads of a message: names, places and texts of its fields, and nothing that only a report needs.

Law: total, and the same names, texts and items as the codec's (a test holds both side by side); a plan looks at every
message of a long recording, and most of what the codec finds out about one is notes that a plan has no use for.
"""

from collections.abc import Iterator

import msgspec

from qqlab import http1, wire
from qqlab.codec import text as texts
from qqlab.codec import values
from qqlab.codec.message import MOST_FIELDS, MOST_ITEMS
from qqlab.exchange import RawMessage
from qqlab.spec import Command, Direction, Field, Layout, Spec


# These hold no cycles; told so, the garbage collector need not look at them.
class Said(msgspec.Struct, frozen=True, gc=False):
    """One field of a message: its name in the spec's spelling, its place in the body, and its value as text and as the
    bytes that were there."""

    name: str
    spec: Field | None
    text: str
    raw: bytes
    position: int


class Read(msgspec.Struct, frozen=True, gc=False):
    """A message as a plan sees it. `name` is the command as written, `command` what the spec knows of it."""

    name: str
    command: Command | None
    fields: tuple[Said, ...]

    def get(self, name: str) -> Said | None:
        """The first field of that name, or None."""
        for field in self.fields:
            if field.name == name:
                return field
        return None

    def text(self, name: str) -> str | None:
        """The first field of that name as text; None where it is absent or empty."""
        field = self.get(name)
        return None if field is None else field.text.strip(" ") or None


def read(message: RawMessage, direction: Direction, spec: Spec, fallback: Command | None = None) -> Read:
    """Read a message. `fallback` is the command to go by where it names none that the spec knows."""
    body = http1.content(message)
    body = message.body if body is None else body
    if body.count(b"&") >= MOST_FIELDS:
        body = b"&".join(body.split(b"&", MOST_FIELDS)[:MOST_FIELDS])
    pairs = wire.split(body)
    name = _command(pairs, spec)
    command = spec.command(name) or fallback
    plus = body.find(b"+") >= 0 and texts.plus_is_blank(body)
    return Read(name, command, tuple(_fields(pairs, plus, spec.layout(command, direction), spec)))


def _command(pairs: tuple[wire.Pair, ...], spec: Spec) -> str:
    wanted = spec.roles.command.upper().encode()
    for key, value in pairs:
        if value is not None and (key == wanted or key.upper() == wanted):
            return _text(value, False, spec).strip(" \r\n")
    return ""


def _fields(pairs: tuple[wire.Pair, ...], plus: bool, layout: Layout, spec: Spec) -> Iterator[Said]:
    last = len(pairs) - 1
    by_key, by_name = layout.by_key, layout.by_name
    for position, (key, raw) in enumerate(pairs):
        if raw is None:
            continue
        known = by_key.get(key)
        if known is not None:
            name = known.name
        else:
            name = _text(key, False, spec)
            known = by_name.get(name.upper())
            name = name if known is None else known.name
        text = raw.decode() if raw.isascii() and raw.find(b"%") < 0 and raw.find(b"+") < 0 else _text(raw, plus, spec)
        if position == last and raw[-1:] == b"\n":
            text = text.rstrip("\r\n")
        yield Said(name, known, text, raw, position)


def _text(raw: bytes, plus: bool, spec: Spec) -> str:
    return texts.decode(texts.unescape(raw, plus), spec.wire.charsets).value


def items(said: Said, spec: Spec) -> tuple[str, ...]:
    """The items of a list, the one value of any other field."""
    if said.spec is None or not said.spec.list:
        return (said.text.strip(" "),)
    parts = values.items(said.text, spec.wire.list_separator)[0][:MOST_ITEMS]
    if said.text.find("%") >= 0:
        parts = tuple([texts.unescape_item(part, spec.wire) for part in parts])
    return tuple([part.strip(" ") for part in parts])
