"""One connection of the test server: requests in, replies out, in order, over HTTP or as bare lines.

Law: whatever a client sends or leaves unread harms no other. A request that has begun must be complete within the
server's patience. While a reply is delayed, or the client does not read, nothing more is read from it. A closing
connection is read on for a moment, since unread bytes would make the kernel take the reply back.
"""

import asyncio
import os
import re
import socket
import struct
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, cast

from qqlab import http1, lines
from qqlab.exchange import RawMessage
from qqlab.net.reading import MOST_BODY, Refusal, Request, RequestReader
from qqlab.spec import Command
from qqlab.testserver.deviate import Deviated
from qqlab.testserver.state import Answer

LINGER = 2.0  # seconds that a closing connection is read on
MOST_UNREAD = 1024 * 1024  # so many bytes of pushes may wait for a client that does not read
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GARBAGE = b"\x00\xff\x16\x03QQ\r\n\r\n\xfe"
_DRIP = 1.0  # seconds between two bytes of a reply that drips
_POUR = b"0" * 65536  # what an endless reply goes on with
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what closes the connection resets it
_PAIR = re.compile(rb"[A-Za-z0-9_]{1,16}=")
_PERHAPS_PAIR = re.compile(rb"[A-Za-z0-9_]{0,16}")


class Host(Protocol):
    """What a connection needs of the server that it belongs to."""

    patience: float

    def joined(self, connection: "Connection | Sniffer") -> None:
        """A connection has begun."""

    def left(self, connection: "Connection | Sniffer") -> None:
        """It is over."""

    def ask(self, body: bytes, address: str, line: int | None = None) -> Answer:
        """What the state machine says."""

    def tell(self, answer: Answer) -> None:
        """An answer that the state machine did not give."""

    def deviated(self, body: bytes, command: Command) -> Deviated:
        """What the rules make of a reply or a push."""

    def deliver(self) -> None:
        """Push what there is to be pushed."""


class Connection(asyncio.Protocol):
    """What HTTP and lines have in common."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport
        self._address = ""
        self._busy = False  # a reply is delayed
        self._blocked = False  # the client does not read
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._pouring = False  # a reply that never ends

    @abstractmethod
    def _feed(self, data: bytes) -> None:
        """Take bytes as they came."""

    @abstractmethod
    def _pending(self) -> bool:
        """Whether a request has begun and is not complete."""

    @abstractmethod
    def _next(self) -> bool:
        """Answer one request, if there is one."""

    @abstractmethod
    def _time_out(self) -> None:
        """The rest of a request did not come."""

    @abstractmethod
    def _send(self, deviated: Deviated, last: bool) -> None:
        """Send a reply; `last` closes the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._host.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ending = True
        self._set_timer(None)
        self._host.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if not self._ending:
            self._feed(data)
            self._work()

    def pause_writing(self) -> None:
        """The client does not read."""
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._blocked = False
        if self._pouring:
            self._pour()
        else:
            self._go_on()

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    def _go_on(self) -> None:
        if not self._busy and not self._blocked:
            self._transport.resume_reading()
            self._work()

    def _work(self) -> None:
        """Answer what is complete, one after the other."""
        while not (self._busy or self._blocked or self._ending) and self._next():
            pass
        if self._ending or self._busy:
            return
        waits = self._pending() and not self._blocked
        # One deadline for the whole of a request: bytes that drip in do not put it off.
        if not waits:
            self._set_timer(None)
        elif self._timer is None:
            self._set_timer(self._host.patience, self._time_out)

    def _reply(self, deviated: Deviated, last: bool) -> None:
        """Send a reply, and what it gives to push, once its delay is over."""
        self._set_timer(None)
        if deviated.delay == 0:
            self._send(deviated, last)
            self._host.deliver()
            return
        self._host.deliver()
        self._busy = True
        self._transport.pause_reading()
        self._set_timer(deviated.delay, self._reply_late, deviated, last)

    def _reply_late(self, deviated: Deviated, last: bool) -> None:
        self._busy = False
        self._send(deviated, last)
        self._go_on()

    def _put(self, data: bytes, deviated: Deviated) -> None:
        """Send the bytes of a reply as the rules want them sent; the end of the connection is the caller's."""
        match deviated.ending:
            case "whole":
                self._transport.write(data * deviated.times)
            case "cut":
                self._transport.write(_half(data, deviated.body))
            case "reset":
                self._transport.write(_half(data, deviated.body))
                self._reset()
            case "garbage":
                self._transport.write(_GARBAGE)
            case "endless":
                self._transport.write(data)
                self._busy = self._pouring = True
                self._pour()
            case "drip":
                self._busy = True
                self._drip(data)

    def _reset(self) -> None:
        # What uvloop shows of its socket sets no options; a duplicate shares them.
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.abort()

    def _pour(self) -> None:
        """Go on with a reply that never ends, as far as the client reads."""
        if not self._blocked and not self._transport.is_closing():
            self._transport.write(_POUR)
            self._set_timer(0, self._pour)

    def _drip(self, data: bytes) -> None:
        self._transport.write(data[:1])
        if len(data) > 1:
            self._set_timer(_DRIP, self._drip, data[1:])
        else:
            self._end()

    def _end(self) -> None:
        """Say that nothing more will come, and close once the client has done so too, or a moment later."""
        self._ending = True
        if self._transport.is_closing():
            return
        self._set_timer(LINGER, self._transport.close)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()

    def _set_timer(self, seconds: float | None, then: Callable[..., object] | None = None, *arguments: object) -> None:
        """Have one thing done later, in place of what was to be done before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None and then is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, then, *arguments)


class HttpConnection(Connection):
    """Requests of HTTP. Each connection is closed after a reply, which says so, unless the request asks to keep it."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._reader = RequestReader()

    def eof_received(self) -> bool:
        """The client sends nothing more."""
        # What was complete has been answered: while a reply is delayed or blocked nothing is read, not even the end.
        if not self._ending and self._reader.pending:
            self._refuse(Refusal(HTTPStatus.BAD_REQUEST, "The request broke off."))
        return False

    def _feed(self, data: bytes) -> None:
        self._reader.feed(data)

    def _pending(self) -> bool:
        if self._reader.expects_continue():
            self._transport.write(_CONTINUE)
        return self._reader.pending

    def _next(self) -> bool:
        item = self._reader.next()
        if isinstance(item, Refusal):
            self._refuse(item)
        elif item is not None:
            self._answer(item)
        return item is not None

    def _answer(self, request: Request) -> None:
        answer = self._host.ask(request.body, self._address)
        if answer.command is None or answer.code != HTTPStatus.OK:
            deviated = Deviated(body=answer.body, code=answer.code)
        else:
            deviated = self._host.deviated(answer.body, answer.command)
        self._reply(deviated, not request.keep_alive)

    def _send(self, deviated: Deviated, last: bool) -> None:
        if deviated.ending == "silent":
            return
        last = last or deviated.ending != "whole"
        data = _http(deviated.body, deviated.code, keep_alive=not last)
        if deviated.headers or deviated.stated or deviated.ending == "endless":
            data = _head(data, deviated) + deviated.body
        self._put(data, deviated)
        if last and not self._busy:
            self._end()

    def _refuse(self, refusal: Refusal) -> None:
        body = f"{refusal.sentence}\n".encode()
        self._host.tell(Answer(body=body, code=refusal.code, outcome=f"HTTP {int(refusal.code)}"))
        self._transport.write(_http(body, refusal.code, keep_alive=False))
        self._end()

    def _time_out(self) -> None:
        self._refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, "The rest of the request did not come."))


class LineConnection(Connection):
    """Bare lines, and what is pushed. What HTTP gets an empty body for gets no reply here, and what HTTP gets an error
    for ends the connection, since a line has no other way to say it. Blank lines are passed over."""

    def __init__(self, host: Host, number: int) -> None:
        super().__init__(host)
        self.number = number
        self._reader = lines.Reader(MOST_BODY)
        self._waiting: deque[RawMessage] = deque()

    def push(self, deviated: Deviated) -> None:
        """Send what nobody asked for, between the replies or in the middle of a delayed one's time."""
        if deviated.delay:
            asyncio.get_running_loop().call_later(deviated.delay, self._push, deviated)
        else:
            self._push(deviated)

    def _push(self, deviated: Deviated) -> None:
        if not self._ending:
            self._send(deviated, last=False)
        if self._transport.get_write_buffer_size() > MOST_UNREAD:
            self.abort()

    def _feed(self, data: bytes) -> None:
        self._waiting.extend(self._reader.feed(data))

    def _pending(self) -> bool:
        return self._reader.pending

    def _next(self) -> bool:
        if not self._waiting:
            return False
        line = self._waiting.popleft()
        if line.cut is not None:
            self._refuse()
        elif line.body:
            self._answer(line.body)
        return True

    def _answer(self, body: bytes) -> None:
        answer = self._host.ask(body, self._address, self.number)
        if answer.code != HTTPStatus.OK:
            self._end()
        elif answer.command is not None:
            self._reply(self._host.deviated(answer.body, answer.command), last=False)

    def _send(self, deviated: Deviated, last: bool) -> None:
        if deviated.ending == "silent":
            return
        end = b"" if deviated.ending == "endless" else deviated.line_end
        self._put(deviated.body + end, deviated)
        if (last or deviated.ending != "whole") and not self._busy:
            self._end()

    def _refuse(self) -> None:
        self._host.tell(Answer(body=b"", code=HTTPStatus.BAD_REQUEST, outcome="no line"))
        self._end()

    def _time_out(self) -> None:
        self._refuse()


class Sniffer(asyncio.Protocol):
    """A connection of which the first bytes are to tell what it speaks: a line begins with a name and `=`."""

    def __init__(self, host: Host, http: Callable[[], Connection], line: Callable[[], Connection]) -> None:
        self._host = host
        self._http = http
        self._line = line
        self._first = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._host.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._forget()

    def _forget(self) -> None:
        self._host.left(self)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._first = (self._first + data).lstrip(b"\r\n")
        if _PAIR.match(self._first):
            self._become(self._line())
        elif not _PERHAPS_PAIR.fullmatch(self._first):
            self._become(self._http())
        elif self._first and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._host.patience, self._give_up)

    def eof_received(self) -> bool | None:
        """The client sends nothing more."""
        return self._become(self._http()).eof_received() if self._first else False

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    def _give_up(self) -> None:
        self._become(self._http())

    def _become(self, connection: Connection) -> Connection:
        self._forget()
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(self._first)
        return connection


def _half(data: bytes, body: bytes) -> bytes:
    """A reply without the second half of its body, and without what is behind it."""
    return data[: data.rfind(body) + len(body) // 2] if body else data[:-1]


def _head(data: bytes, deviated: Deviated) -> bytes:
    """The head of a reply with what the rules have it say besides; one of a reply without end says no length."""
    head = data[: len(data) - len(deviated.body)]
    for name, value in deviated.headers:
        head = http1.with_header(head, name, value)
    if deviated.ending == "endless":
        return http1.without_header(head, "Content-Length")
    return http1.with_header(head, "Content-Length", str(max(0, len(deviated.body) + deviated.stated)))


def _http(body: bytes, code: int, *, keep_alive: bool) -> bytes:
    message = http1.reply(body, code=code, reason=_PHRASES.get(code, ""), keep_alive=keep_alive)
    head = message.head
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        head = http1.with_header(head, "Allow", "POST")
    return head + body
