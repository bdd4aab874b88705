"""The mark that qqlab leaves on what it exports, so that importing it again changes nothing.

Law: a mark holds what the other format has no place for, and whether secrets are pseudonyms already; bytes of a
message only where the other format shows others. It counts only for the very messages that it was made with: what
somebody edited since is foreign material, and its secrets are looked for again.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec

from qqlab.capture import Redacted
from qqlab.exchange import Cut, Exchange, Pairing, RawMessage

NAME = "qqlab"
_VERSION = 1
_ENDS = (b"", b"\n", b"\r\n")
_FIRST_YEAR, _LAST_YEAR = 1000, 9000
_LONGEST = 1e9


class Found(NamedTuple):
    """An exchange in other people's material, and its redaction where a mark tells of one.

    `ours` tells that its connection is of the protocol, whatever became of this exchange.
    """

    exchange: Exchange
    redacted: Redacted | None = None
    ours: bool = False


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a message differs from the one that is shown: another head, another body (with its end), and the lengths of
    the head and of the end where they lie elsewhere in the same bytes."""

    head: bytes | None = None
    body: bytes | None = None
    lengths: tuple[int, int] | None = None
    chunked: bool = False
    cut: Cut | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a format has no place for; `shown` is the digest of the messages that it shows instead."""

    version: int = _VERSION
    shown: str
    redacted: Redacted
    id: str
    session: str
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    elapsed: float | None = None
    client: str = ""
    server: str = ""
    transport: str = "http"
    error: str | None = None
    pairing: Pairing = ""
    request: Part | None = None
    reply: Part | None = None


def mark(exchange: Exchange, shown: Exchange, redacted: Redacted) -> Mark:
    """The mark for an exchange that a reader of the other format takes for `shown`."""
    return Mark(
        shown=digest(shown),
        redacted=redacted,
        id=exchange.id,
        session=exchange.session,
        time=exchange.time,
        elapsed=exchange.elapsed,
        client=exchange.client,
        server=exchange.server,
        transport=exchange.transport,
        error=exchange.error,
        pairing=exchange.pairing,
        request=_part(exchange.request, shown.request),
        reply=_part(exchange.reply, shown.reply),
    )


def read(text: bytes | str) -> Mark | None:
    """A mark from its JSON text; None where it is none, or a newer version's."""
    try:
        found = msgspec.json.decode(text, type=Mark)
        if found.time is not None:
            found.time.astimezone(UTC)  # a time of another zone may be none here
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
        return None
    return found if found.version == _VERSION else None


def restored(found: Mark | None, shown: Exchange) -> Found | None:
    """The exchange that was marked; None where there is no mark, or something else is shown now."""
    if found is None or found.shown != digest(shown):
        return None
    exchange = Exchange(
        id=found.id,
        session=found.session,
        time=found.time,
        elapsed=found.elapsed,
        client=found.client,
        server=found.server,
        transport=found.transport,
        request=_message(found.request, shown.request),
        reply=_message(found.reply, shown.reply),
        error=found.error,
        pairing=found.pairing,
    )
    return Found(exchange, found.redacted)


def shown_time(exchange: Exchange) -> datetime:
    """What other formats show as the time: 1970 where nobody knows it, and at the ends of the calendar, behind which
    adding anything leads."""
    time = exchange.time
    return time if time is not None and _FIRST_YEAR <= time.year <= _LAST_YEAR else datetime.fromtimestamp(0, UTC)


def shown_elapsed(exchange: Exchange) -> float:
    """The seconds that other formats show, 0 where nobody knows them."""
    return min(max(exchange.elapsed or 0.0, 0.0), _LONGEST)


def digest(exchange: Exchange) -> str:
    """What tells whether the messages of an exchange are the same bytes."""
    digest = hashlib.sha256()
    for message in (exchange.request, exchange.reply):
        for piece in _pieces(message):
            digest.update(b"%d:" % len(piece) + piece)
        digest.update(b";")
    return digest.hexdigest()[:32]


def _pieces(message: RawMessage | None) -> Iterator[bytes]:
    if message is not None:
        yield from (message.head, message.body, message.end)


def _part(message: RawMessage | None, shown: RawMessage | None) -> Part | None:
    if message is None:
        return None
    part = Part(chunked=message.chunked, cut=message.cut)
    seen = shown or RawMessage()
    if message.head + message.body + message.end != seen.head + seen.body + seen.end:
        body = message.body + message.end
        part = msgspec.structs.replace(
            part,
            head=None if message.head == seen.head else message.head,
            body=None if body == seen.body + seen.end else body,
        )
    if _message(part, shown) == message:
        return part
    return msgspec.structs.replace(part, lengths=(len(message.head), len(message.end)))


def _message(part: Part | None, shown: RawMessage | None) -> RawMessage | None:
    if part is None:
        return None
    seen = shown or RawMessage()
    head = seen.head if part.head is None else part.head
    body, end = (seen.body, seen.end) if part.body is None else (part.body, b"")
    if part.lengths is not None:
        data, (first, last) = head + body + end, part.lengths
        behind = max(first, len(data) - last)
        head, body, end = data[:first], data[first:behind], data[behind:]
    if end not in _ENDS:  # a mark may be forged
        body, end = body + end, b""
    return RawMessage(head=head, body=body, end=end, chunked=part.chunked, cut=part.cut)
