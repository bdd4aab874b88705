"""A message as pairs of text, read by nobody's spec.

Law: total, and free of any spec: all that is known here is how bytes become pairs (`qqlab.wire`), and how `%xx` and
charsets are undone. Names are compared without case and held in upper case. What is no name (an unescaped `&` in
somebody's words, a page of HTML) is passed over and counted, never shown; a message that is mostly that is none.
"""

import re
from typing import NamedTuple

from qqlab import http1, wire
from qqlab.codec import text as texts
from qqlab.exchange import Exchange, RawMessage

CHARSETS = ("utf-8", "gb18030")
# Of a message with more fields the first are read, of a longer value its beginning.
MOST_FIELDS = 100
LONGEST = 100_000

_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_TWICE = re.compile(rb"%25[0-9A-Fa-f]{2}")


class Message(NamedTuple):
    """One message. `values` maps each name, in upper case and in order, to its first value, the pair's layer undone.

    `spelled` has the names as they were written. `escaped` are the raw values of those fields that hold `%`. `charsets`
    are those that explained its text. `odd` counts segments that are no field.
    """

    values: dict[str, str]
    spelled: dict[str, str]
    escaped: dict[str, bytes]
    charsets: frozenset[str]
    odd: int

    @property
    def layout(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(self.values)


class Seen(NamedTuple):
    """An exchange by its label: what was asked and what was said. A reply that broke off is not here."""

    label: str
    client: str
    request: Message | None
    reply: Message | None


def see(label: str, exchange: Exchange) -> Seen:
    """Read an exchange."""
    whole = exchange.error is None
    return Seen(
        label,
        exchange.client.rpartition(":")[0],
        _message(exchange.request),
        _message(exchange.reply) if whole else None,
    )


def _message(raw: RawMessage | None) -> Message | None:
    """The pairs of a message; None where there is none, or only its beginning, or nothing that looks like fields."""
    if raw is None or raw.cut is not None:
        return None
    body = http1.content(raw)
    return None if body is None else read(body)


def read(body: bytes) -> Message | None:
    """The pairs of a body; None where it does not look like any."""
    plus = texts.plus_is_blank(body)
    values: dict[str, str] = {}
    spelled: dict[str, str] = {}
    escaped: dict[str, bytes] = {}
    charsets: set[str] = set()
    odd = 0
    for key, whole in wire.split(body):
        if whole is None or _NAME.fullmatch(key) is None:
            odd += key != b"" or whole is not None
            continue
        name = key.decode("ascii").upper()
        if name in values or len(values) >= MOST_FIELDS:
            continue
        value = whole[:LONGEST]
        text = texts.decode(texts.unescape(value, plus), CHARSETS)
        values[name], spelled[name] = text.value, key.decode("ascii")
        if not value.isascii() or b"%" in value:
            charsets.add(text.charset)
        if b"%" in value:
            escaped[name] = value
    if not values or odd > len(values):
        return None
    return Message(values, spelled, escaped, frozenset(charsets), odd)


def is_layered(raw: bytes) -> bool:
    """Whether a raw value was escaped twice: what its text holds is an escape again."""
    return _TWICE.search(raw) is not None
