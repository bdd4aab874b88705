"""What must hold for any bytes: of streams, connections, lines and messages.

Law: each function takes any bytes and raises only where the package breaks its word. Nothing here needs a fuzzer, so
that the tests hold the same laws over the inputs that fuzzing once found.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from qqlab import http1, wire
from qqlab import lines as bare
from qqlab.codec import decode, recognise
from qqlab.conversation import Conversation, Paired
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import builtin

# Between what two sides sent, or two messages: bytes that no text has.
EVENT = re.compile(rb"\xff([<>])", re.DOTALL)
_SPEC = builtin()
_START = datetime(2005, 7, 1, tzinfo=UTC)


def streams(data: bytes) -> None:
    """What is cut from a stream is what was in it, whatever the sizes of its pieces, also where bodies are cut."""
    size, data = _size(data)
    whole = _read(data, len(data) or 1)
    assert _read(data, size) == whole
    assert b"".join(message.head + message.body for message in whole).rstrip(b"\r\n") == data.rstrip(b"\r\n")
    limited = _read(data, size, limit=16)
    assert limited == _read(data, 1, limit=16)
    assert [(message.head, message.body[:16]) for message in whole] == [(one.head, one.body) for one in limited]
    for message in whole:
        _content(message)


def conversations(data: bytes) -> None:
    """A connection gives the same exchanges in pieces of any size, and loses nothing."""
    size, data = _size(data)
    sides = EVENT.split(b"\xff>" + data)[1:]
    events = list(zip(sides[::2], sides[1::2], strict=True))
    pairs, transport = _converse(events, size)
    assert (pairs, transport) == _converse(events, 1 << 20)
    for side, messages in ((b">", [pair.request for pair in pairs]), (b"<", [pair.reply for pair in pairs])):
        sent = b"".join(text for one, text in events if one == side)
        kept = [message.head + message.body + message.end for message in messages if message is not None]
        assert sum(map(_letters, kept)) == _letters(sent)
        assert all(one in sent for one in kept)
    for pair in pairs:
        decode(_exchange(pair.request, pair.reply), _SPEC)


def lines(data: bytes) -> None:
    """The lines of a stream are what was in it, in pieces of any size."""
    size, data = _size(data)
    messages = [*_fed(bare.Reader(), data, size)]
    assert messages == [*_fed(bare.Reader(), data, len(data) or 1)]
    assert b"".join(message.body + message.end for message in messages) == data


def codec(data: bytes) -> None:
    """A body survives being taken apart; decoding and new content raise for nothing."""
    asked, _, said = data.partition(b"\xff<")
    assert wire.join(wire.split(data)) == data
    recognise(data, _SPEC)
    for chunked in (False, True):
        request, reply = _message(asked, chunked), _message(said, chunked)
        decode(_exchange(request, reply), _SPEC)
        for message in (request, reply):
            _content(message)


def _size(data: bytes) -> tuple[int, bytes]:
    """A size of pieces, which the first byte tells, and the rest."""
    return data[0] % 32 + 1 if data else 1, data[1:]


def _read(data: bytes, size: int, limit: int = 1 << 20) -> list[RawMessage]:
    """What both readers make of a stream, the direction by its first byte."""
    return [*_fed(http1.Reader("reply" if data.startswith((b"H", b"h")) else "request", limit=limit), data, size)]


def _fed(reader: http1.Reader | bare.Reader, data: bytes, size: int) -> Iterator[RawMessage]:
    for start in range(0, len(data), size):
        yield from reader.feed(data[start : start + size])
    rest = reader.flush()
    if rest is not None:
        yield rest
    assert not reader.pending


def _converse(events: Iterable[tuple[bytes, bytes]], size: int) -> tuple[list[Paired], str]:
    conversation = Conversation(_SPEC)
    pairs: list[Paired] = []
    now = _START
    for side, data in events:
        feed: Callable[[bytes, datetime], list[Paired]]
        feed = conversation.from_client if side == b">" else conversation.from_server
        now += timedelta(seconds=1)
        for start in range(0, len(data), size):
            pairs += feed(data[start : start + size], now)
    return pairs + conversation.end(now), conversation.transport


def _letters(data: bytes) -> int:
    """How many bytes there are, but for those that blank lines consist of."""
    return len(data.translate(None, b"\r\n"))


def _message(data: bytes, chunked: bool) -> RawMessage:
    head = http1.first_head(data) or b""
    return RawMessage(head=head, body=data[len(head) :], chunked=chunked)


def _exchange(request: RawMessage | None, reply: RawMessage | None) -> Exchange:
    return Exchange(id="1", session="", request=request, reply=reply)


def _content(message: RawMessage) -> None:
    content = http1.content(message)
    http1.framing(message)
    if content is None:
        return
    assert http1.with_content(message, content) is message
    for new in (content + b"x", content.swapcase(), b""):
        changed = http1.with_content(message, new)
        assert http1.content(changed) == new
