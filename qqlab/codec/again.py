"""Exchanges that were decoded before, but for their sequence number.

Law: what comes out is what decoding anew would give. Clients of this protocol ask the same every few seconds, and
mostly hear the same: of such an exchange only the number is new, and nothing that is said of the rest hangs on it. What
is kept is bounded: short bodies, and so many of them.
"""

from typing import NamedTuple

import msgspec

from qqlab import http1
from qqlab.codec.decode import Decoded, decode_anew
from qqlab.codec.message import Field, Message
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import Spec

_LONGEST = 1024
_MOST = 256
_MOST_DIGITS = 9  # a number of so many digits is of every type that numbers have


class _Parted(NamedTuple):
    """A body in three: what stands before the sequence number, the number, what stands behind."""

    before: bytes
    number: bytes
    behind: bytes


class _Before(NamedTuple):
    """An exchange that was decoded, and the places of the numbers among the fields of its messages."""

    decoded: Decoded
    request: Message
    reply: Message
    asked: int
    said: int

    def with_number(self, raw: bytes) -> Decoded:
        """The same with another number."""
        text = raw.decode()
        request = self.request.with_field(self.asked, _numbered(self.request.fields[self.asked], raw, text))
        reply = self.reply.with_field(self.said, _numbered(self.reply.fields[self.said], raw, text))
        return msgspec.structs.replace(self.decoded, request=request, reply=reply, sequence=text)


def decode(exchange: Exchange, spec: Spec) -> Decoded:
    """Understand an exchange."""
    asked = _parted(exchange.request, spec.free_number)
    said = None if asked is None or exchange.error is not None else _parted(exchange.reply, spec.free_number)
    if asked is None or said is None or asked.number != said.number:
        return decode_anew(exchange, spec)
    key = asked.before, asked.behind, said.before, said.behind
    before: _Before | None = spec.decoded.get(key)
    if before is not None:
        return before.with_number(asked.number)
    decoded = decode_anew(exchange, spec)
    if (new := _before(decoded, asked, said, spec)) is not None:
        if len(spec.decoded) >= _MOST:
            spec.decoded.clear()
        spec.decoded[key] = new
    return decoded


def _parted(message: RawMessage | None, mark: bytes) -> _Parted | None:
    """The body of a message of which nothing is to be said but what its body says, and which has a plain number."""
    if message is None or not mark or len(message.body) > _LONGEST or not http1.is_plain(message):
        return None
    start = message.body.find(mark) + len(mark)
    end = message.body.find(b"&", start)
    end = len(message.body) if end < 0 else end
    number = message.body[start:end]
    if start < len(mark) or not number.isdigit() or len(number) > _MOST_DIGITS:
        return None
    return _Parted(message.body[:start], number, message.body[end:])


def _before(decoded: Decoded, asked: _Parted, said: _Parted, spec: Spec) -> _Before | None:
    """What is to be kept; None where the numbers are not those by which the messages are known."""
    request, reply = decoded.request, decoded.reply
    assert request is not None
    assert reply is not None
    places = _place(request, asked, spec), _place(reply, said, spec)
    return None if None in places else _Before(decoded, request, reply, places[0] or 0, places[1] or 0)


def _place(message: Message, parted: _Parted, spec: Spec) -> int | None:
    field = message.get(spec.roles.sequence)
    return message.fields.index(field) if field is not None and field.position == parted.before.count(b"&") else None


def _numbered(field: Field, raw: bytes, text: str) -> Field:
    """A number's field with another one."""
    value = int(text) if isinstance(field.value, int) else text
    return Field(name=field.name, spec=field.spec, value=value, text=text, raw=raw, position=field.position)
