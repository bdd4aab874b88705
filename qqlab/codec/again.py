"""Messages that were decoded before, but for their sequence number.

Law: what comes out is what decoding anew would give. Clients of this protocol ask the same every few seconds, and
mostly hear the same: of such a body only the number is new, and nothing that is said of the rest hangs on it. What is
kept is bounded: short bodies, and so many of them.
"""

from typing import NamedTuple

from qqlab.codec.message import Field, Message, decode_anew
from qqlab.spec import Command, Direction, Spec

_LONGEST = 1024
_MOST = 512
_MOST_DIGITS = 9  # a number of so many digits is of every type that numbers have


class _Before(NamedTuple):
    """A message that was decoded, and the place of its sequence number among its fields."""

    message: Message
    place: int

    def with_number(self, raw: bytes) -> Message:
        """The message with another number."""
        old, text = self.message.fields[self.place], raw.decode()
        value = int(text) if isinstance(old.value, int) else text
        new = Field(name=old.name, spec=old.spec, value=value, text=text, raw=raw, position=old.position)
        return self.message.with_field(self.place, new)


def decode_message(body: bytes, direction: Direction, spec: Spec, fallback: Command | None = None) -> Message:
    """Understand a body. `fallback` is the command to go by where the body names none that the spec knows."""
    mark = spec.free_number
    start = body.find(mark) if mark else -1
    if start < 0 or len(body) > _LONGEST:
        return decode_anew(body, direction, spec, fallback)
    start += len(mark)
    end = body.find(b"&", start)
    number, behind = (body[start:], b"") if end < 0 else (body[start:end], body[end:])
    if not number.isdigit() or len(number) > _MOST_DIGITS:
        return decode_anew(body, direction, spec, fallback)
    key = (direction, fallback and fallback.name, body[:start], behind)
    before: _Before | None = spec.decoded.get(key)
    if before is not None:
        return before.with_number(number)
    message = decode_anew(body, direction, spec, fallback)
    _keep(spec.decoded, key, message, body[:start].count(b"&"))
    return message


def _keep(decoded: dict[object, object], key: object, message: Message, position: int) -> None:
    place = next((place for place, field in enumerate(message.fields) if field.position == position), None)
    if place is None:
        return  # there are more fields than are read
    if len(decoded) >= _MOST:
        decoded.clear()
    decoded[key] = _Before(message, place)
