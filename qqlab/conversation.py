"""One connection as exchanges: both directions cut into messages, and replies paired with what they answer.

Law: no I/O and no clock; the caller says when. Nothing that was sent is lost: every byte is in some message of some
`Paired`, but for blank lines between messages, and what a message was cut to. The sizes of the pieces change nothing.
What had begun when the connection ended, what is no HTTP, a reply that nobody asked for: each is an exchange, with
the reason as its error where something is wrong. On HTTP the order of the connection pairs; on lines, what a reply
repeats of its request. Memory is bounded however long a connection lives: of more than `MAX_WAITING` requests without
a reply the oldest is given up.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from qqlab import http1, lines, wire
from qqlab.codec import recognise
from qqlab.exchange import Pairing, RawMessage
from qqlab.spec import Spec

Transport = Literal["tcp", "lines"]

MAX_WAITING = 1000
MAX_WAITING_BYTES = 64 * 1024 * 1024
# On lines, so many later requests may be answered before one; sequence numbers come again on a long connection.
MAX_OVERTAKEN = 100
_MOST_SAID = 4096

_NO_REPLY = "the connection ended before the reply"
_TORN_REPLY = "the connection ended before the reply was complete"
_TORN_REQUEST = "the connection ended before the request was complete"
_UNASKED = "a reply belongs to no request"
_GIVEN_UP = f"no reply came while {MAX_WAITING} more requests were sent"
_OVERTAKEN = f"no reply came while {MAX_OVERTAKEN} later requests were answered"
_TOO_LATE = "the reply to a request that was given up"


class Paired(NamedTuple):
    """A request and what became of it.

    `request` is None for what the server sent unasked. `time` is when the request was complete, or else the reply;
    `elapsed` the seconds from the one to the other, None unless there are both, and 0 where the reply was complete
    first.
    """

    request: RawMessage | None
    reply: RawMessage | None
    time: datetime
    elapsed: float | None
    error: str | None
    pairing: Pairing


class _Asked(NamedTuple):
    """A request that waits for its reply; `error` tells what is wrong with the request itself."""

    request: RawMessage
    time: datetime
    error: str | None

    def paired(self, reply: RawMessage | None, now: datetime, error: str | None, pairing: Pairing) -> Paired:
        elapsed = None if reply is None else max(0.0, (now - self.time).total_seconds())
        return Paired(self.request, reply, self.time, elapsed, self.error or error, "" if reply is None else pairing)


class _Side(Protocol):
    """What a connection speaks."""

    def from_client(self, data: bytes, now: datetime) -> Iterator[Paired]: ...

    def from_server(self, data: bytes, now: datetime) -> Iterator[Paired]: ...

    def server_done(self, now: datetime) -> Iterator[Paired]: ...

    def end(self, now: datetime, error: str | None) -> Iterator[Paired]: ...


class Conversation:
    """Fed with what each side sent; gives back exchanges as they become complete.

    The first line of either side tells whether it is HTTP (`transport` "tcp") or lines (`transport` "lines"), unless
    `transport` is given, or `requests`: who cuts HTTP requests. `any` tells whether anything came out; `ours` whether
    any of it was of this protocol.
    """

    def __init__(self, spec: Spec, transport: Transport | None = None, requests: http1.Reader | None = None) -> None:
        self.any = False
        self.ours = False
        self._spec = spec
        self._speech: _Side | None = None
        self._first: tuple[bytearray, bytearray] = bytearray(), bytearray()
        self.transport: Transport = "tcp"
        if requests is not None:
            self._speech = _Http(requests)
        elif transport is not None:
            self._speak(transport)

    def from_client(self, data: bytes, now: datetime) -> list[Paired]:
        """Bytes that the client sent, and the exchanges that they complete."""
        speech, data = self._sniffed(data, now, server=False)
        return [] if speech is None else self._out(speech.from_client(data, now))

    def from_server(self, data: bytes, now: datetime) -> list[Paired]:
        """Bytes that the server sent, and the exchanges that they complete."""
        speech, data = self._sniffed(data, now, server=True)
        return [] if speech is None else self._out(speech.from_server(data, now))

    def server_done(self, now: datetime) -> list[Paired]:
        """The server sends nothing more: the reply that this ends, or tears. The client may go on."""
        return [] if self._speech is None else self._out(self._speech.server_done(now))

    def end(self, now: datetime, error: str | None = None) -> list[Paired]:
        """The connection is over: what was still open, with the reason where something is missing."""
        pairs: list[Paired] = []
        if self._speech is None:
            asked, said = map(bytes, self._first)
            speech = self._speak("lines" if recognise(asked, self._spec) or recognise(said, self._spec) else "tcp")
            pairs = self._out(speech.from_client(asked, now)) + self._out(speech.from_server(said, now))
        assert self._speech is not None
        return pairs + self._out(self._speech.end(now, error))

    def _out(self, pairs: Iterator[Paired]) -> list[Paired]:
        out = list(pairs)
        self.any = self.any or bool(out)
        self.ours = self.ours or any(self.recognises(pair) for pair in out)
        return out

    def recognises(self, pair: Paired) -> bool:
        """Whether an exchange is of this protocol."""
        messages = (message for message in (pair.request, pair.reply) if message is not None)
        return any(recognise(http1.content(message) or message.body, self._spec) for message in messages)

    def _speak(self, transport: Transport) -> _Side:
        self.transport = transport
        self._speech = _Lines(self._spec) if transport == "lines" else _Http(http1.Reader("request"))
        return self._speech

    def _sniffed(self, data: bytes, now: datetime, *, server: bool) -> tuple[_Side | None, bytes]:
        """What the connection speaks, None where more bytes must tell, and what there is to be read from this side.

        What the other side sent meanwhile is less than a line, and completes nothing.
        """
        if self._speech is not None:
            return self._speech, data
        held = self._first[server]
        held += data
        line, newline, _ = bytes(held).lstrip(b"\r\n").partition(b"\n")
        if not newline and len(held) <= http1.MAX_HEAD:
            return None, b""
        speech = self._speak("lines" if recognise(line, self._spec) and not http1.begins(line + newline) else "tcp")
        other = self._first[not server]
        self._out(speech.from_client(bytes(other), now) if server else speech.from_server(bytes(other), now))
        data = bytes(held)
        self._first = bytearray(), bytearray()
        return speech, data


class _Http:
    """HTTP/1: replies come in the order of their requests."""

    def __init__(self, requests: http1.Reader) -> None:
        self._requests = requests
        self._replies = http1.Reader("reply", bodiless=self._asked_for_a_head)
        self._waiting: deque[_Asked] = deque()
        self._bytes = 0
        self._overdue = 0
        # A server may answer before it has read all of the request: one reply may wait, for the request under way.
        self._early: tuple[RawMessage, datetime, str | None] | None = None
        self._last = datetime.min

    def from_client(self, data: bytes, now: datetime) -> Iterator[Paired]:
        self._last = now
        for message in self._requests.messages(data):
            yield from self._ask(message)

    def from_server(self, data: bytes, now: datetime) -> Iterator[Paired]:
        for reply in self._replies.messages(data):
            if http1.status(reply) == http1.SWITCHING:
                self._requests.switch()
            yield from self._answer(reply, now)

    def server_done(self, now: datetime, error: str | None = None) -> Iterator[Paired]:
        torn = None if self._replies.open_ended else _TORN_REPLY
        if (reply := self._replies.flush()) is not None:
            yield from self._answer(reply, now, error or self._replies.broken or torn)

    def end(self, now: datetime, error: str | None) -> Iterator[Paired]:
        torn = None if self._requests.open_ended else _TORN_REQUEST
        if (request := self._requests.flush()) is not None:
            yield from self._ask(request, error or self._requests.broken or torn)
        if self._early is not None:
            yield _unasked(*self._early[:2], self._early[2] or _UNASKED)
        yield from self.server_done(now, error)
        while self._waiting:
            yield self._next(None, now, error or _NO_REPLY)

    def _asked_for_a_head(self) -> bool:
        return bool(self._waiting) and http1.wants_head(self._waiting[0].request)

    def _ask(self, request: RawMessage, error: str | None = None) -> Iterator[Paired]:
        self._waiting.append(_Asked(request, self._last, error))
        self._bytes += len(request.head) + len(request.body)
        if self._early is not None:
            (reply, time, wrong), self._early = self._early, None
            yield self._next(reply, time, wrong)
        while len(self._waiting) > MAX_WAITING or (self._bytes > MAX_WAITING_BYTES and len(self._waiting) > 1):
            self._overdue += 1
            yield self._next(None, self._last, _GIVEN_UP)

    def _answer(self, reply: RawMessage, now: datetime, error: str | None = None) -> Iterator[Paired]:
        if self._overdue:
            self._overdue -= 1
            yield _unasked(reply, now, error or _TOO_LATE)
            return
        # A request without a length is complete once somebody has answered it.
        if not self._waiting and self._requests.open_ended and (request := self._requests.flush()) is not None:
            yield from self._ask(request)
        if self._waiting:
            yield self._next(reply, now, error)
        elif self._early is None and self._requests.pending:
            self._early = reply, now, error
        else:
            yield _unasked(reply, now, error or _UNASKED)

    def _next(self, reply: RawMessage | None, now: datetime, error: str | None) -> Paired:
        asked = self._waiting.popleft()
        self._bytes -= len(asked.request.head) + len(asked.request.body)
        return asked.paired(reply, now, error, "order")


def _unasked(reply: RawMessage, now: datetime, error: str | None) -> Paired:
    return Paired(None, reply, now, None, error, "")


class _Waiting(NamedTuple):
    """A request line that waits for its reply: what it says that a reply repeats, and how many later requests have
    been answered."""

    asked: _Asked
    said: dict[str, str]
    overtaken: int = 0


class _Lines:
    """Bare lines: a reply is known by what it repeats of its request, and some come that nobody asked for.

    The sequence number decides. Where it fits several requests (a client may send one twice) the one of which more is
    repeated is answered, the oldest of equals. One other echo may disagree: a server that wants a picture to be read
    first answers a request with another command's name. Blank lines are nothing.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._sequence, self._command = spec.roles.sequence.upper(), spec.roles.command.upper()
        self._echoed = {field.name.upper() for field in spec.common.reply if field.echo}
        self._requests = lines.Reader()
        self._replies = lines.Reader()
        self._waiting: list[_Waiting] = []
        self._bytes = 0

    def from_client(self, data: bytes, now: datetime) -> Iterator[Paired]:
        for request in self._requests.feed(data):
            yield from self._ask(request, now)

    def from_server(self, data: bytes, now: datetime) -> Iterator[Paired]:
        for reply in self._replies.feed(data):
            yield from self._answer(reply, now)

    def server_done(self, now: datetime, error: str | None = None) -> Iterator[Paired]:
        if (reply := self._replies.flush()) is not None:
            yield from self._answer(reply, now, error or _TORN_REPLY)

    def end(self, now: datetime, error: str | None) -> Iterator[Paired]:
        if (request := self._requests.flush()) is not None:
            yield from self._ask(request, now, error or _TORN_REQUEST)
        yield from self.server_done(now, error)
        while self._waiting:
            yield self._take(0, None, now, error or _NO_REPLY)

    def _ask(self, request: RawMessage, now: datetime, error: str | None = None) -> Iterator[Paired]:
        if _is_blank(request):
            return
        self._waiting.append(_Waiting(_Asked(request, now, error), self._said(request)))
        self._bytes += len(request.body)
        while len(self._waiting) > MAX_WAITING or (self._bytes > MAX_WAITING_BYTES and len(self._waiting) > 1):
            yield self._take(0, None, now, _GIVEN_UP)

    def _answer(self, reply: RawMessage, now: datetime, error: str | None = None) -> Iterator[Paired]:
        if _is_blank(reply):
            return
        chosen = self._chosen(self._said(reply))
        if chosen is None:
            yield _unasked(reply, now, error)
            return
        self._waiting[:chosen] = [one._replace(overtaken=one.overtaken + 1) for one in self._waiting[:chosen]]
        yield self._take(chosen, reply, now, error)
        while self._waiting and self._waiting[0].overtaken > MAX_OVERTAKEN:
            yield self._take(0, None, now, _OVERTAKEN)

    def _take(self, position: int, reply: RawMessage | None, now: datetime, error: str | None) -> Paired:
        asked = self._waiting.pop(position).asked
        self._bytes -= len(asked.request.body)
        return asked.paired(reply, now, error, "echo")

    def _said(self, message: RawMessage) -> dict[str, str]:
        """What a line says in the fields that a reply repeats, empty values left out. The last field of a line that
        broke off may be no whole one."""
        pairs = wire.split(message.body[:_MOST_SAID])
        whole = pairs if message.end and len(message.body) <= _MOST_SAID else pairs[:-1]
        said: dict[str, str] = {}
        for key, value in whole:
            name = key.decode("latin-1").strip().upper()
            text = unquote_to_bytes(value or b"").decode("latin-1").strip()
            if name in self._echoed and text:
                said.setdefault(name, text.upper() if name == self._command else text)
        return said

    def _chosen(self, said: dict[str, str]) -> int | None:
        """The place of the waiting request that a reply answers, or None."""
        sequence = said.get(self._sequence)
        ranks = [
            (rank, -place)
            for place, one in enumerate(self._waiting)
            # Of many that wait nearly all have another number, which is told at once.
            if (sequence is None or one.said.get(self._sequence, sequence) == sequence)
            and (rank := self._rank(one.said, said)) is not None
        ]
        return -max(ranks)[1] if ranks else None

    def _rank(self, asked: dict[str, str], said: dict[str, str]) -> tuple[bool, int] | None:
        """How well a reply fits a request of no other sequence, the greater the better: whether the sequence agrees,
        and how much does less what does not. None where it does not fit."""
        both = asked.keys() & said.keys()
        agreed = {name for name in both if asked[name] == said[name]}
        differing = len(both) - len(agreed)
        known = self._spec.command(said.get(self._command, ""))
        pushed = known is not None and known.effect == "push"
        fits = differing <= 1 if self._sequence in agreed else self._command in agreed and not differing
        if not fits or (pushed and self._command not in agreed):
            return None
        return self._sequence in agreed, len(agreed) - differing


def _is_blank(line: RawMessage) -> bool:
    return not line.body.strip(b"\r") and line.cut is None
