"""The reference test server on a socket: asyncio and httptools around the pure state machine.

Law: lenient where the historical server was (no target, no Content-Type, HTTP/1.0, an end of the client's side before
the reply), and a clear HTTP error for anything else. Each connection is closed after a reply, which says so, unless
the request asks to keep it alive; replies come in the order of the requests. Whatever a client sends harms no other.
A closing connection is read on for a moment, since unread bytes would make the kernel take the reply back.
"""

import asyncio
import errno
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple

import httptools

from qqlab import http1
from qqlab.errors import TargetError
from qqlab.testserver import deviate
from qqlab.testserver.deviate import Deviated, Rule
from qqlab.testserver.state import Answer, State

MOST_BODY = 1024 * 1024
PATIENCE = 10.0  # seconds in which a request that has begun must be complete
LINGER = 2.0  # seconds that a closing connection is read on
_BACKLOG = 1024
_TEXT_LINE = re.compile(rb"[ -~]{0,8192}\r?")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GARBAGE = b"\x00\xff\x16\x03QQ\r\n\r\n\xfe"


class Request(NamedTuple):
    """A request's body, and whether its connection shall stay open after the reply."""

    body: bytes
    keep_alive: bool


class Refusal(NamedTuple):
    """Why a request gets an HTTP error instead of an answer; nothing after it can be read."""

    code: HTTPStatus
    sentence: str


class RequestReader:
    """Cuts the bytes of a connection into requests, whatever the sizes of the pieces. No I/O.

    The parser is fed one line at a time but for bodies of a stated length, so that it never sees the beginning of the
    next request, whose first line may lack its target.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # what stands before this place of the buffer was parsed
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._begun = False
        self._head_size = 0
        self._in_body = False
        self._left: int | None = None
        self._chunked = False
        self._keep_alive = False
        self._expects = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._complete = False
        self._refusal: Refusal | None = None

    @property
    def pending(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._begun or self._buffer[self._at :].strip(b"\r\n") != b""

    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body. Asking clears it."""
        expects, self._expects = self._expects and self._in_body, False
        return expects

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer, self._at = self._buffer[self._at :] + data, 0

    def next(self) -> Request | Refusal | None:
        """The next request, if it is complete. After a refusal nothing more may be asked."""
        while self._refusal is None and not self._complete and (piece := self._take()):
            self._parse(piece)
        if self._refusal is not None:
            return self._refusal
        if not self._complete:
            return None
        request = Request(b"".join(self._body), self._keep_alive)
        self._begin()
        return request

    def _take(self) -> bytes:
        """What the parser can have now, or nothing."""
        if self._in_body and self._left is not None:
            piece = self._cut(self._at + self._left)
            self._left -= len(piece)
            return piece
        if self._begun:
            return self._cut(self._buffer.find(b"\n", self._at) + 1 or len(self._buffer))
        while self._buffer[self._at : self._at + 1] in (b"\r", b"\n"):
            self._at += 1
        end = self._buffer.find(b"\n", self._at) + 1
        if end == 0 and _TEXT_LINE.fullmatch(self._buffer, self._at):
            return b""  # perhaps the beginning of a request line
        line = self._cut(end or len(self._buffer))
        self._begun = line != b""
        return http1.add_target(line)

    def _cut(self, end: int) -> bytes:
        piece = self._buffer[self._at : end]
        self._at += len(piece)
        return piece

    def _parse(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # The parser has stopped before the body, and calls the request complete.
            if self._refusal is None:
                self._refuse(HTTPStatus.BAD_REQUEST, "No other protocol is spoken here; leave Upgrade out.")
        except httptools.HttpParserError as error:
            if self._refusal is None:
                self._refuse(HTTPStatus.BAD_REQUEST, f"This is no HTTP request: {error}.")
        if not self._in_body and not self._complete:
            self._head_size += len(piece)
            if self._head_size > http1.MAX_HEAD and self._refusal is None:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The head exceeds {http1.MAX_HEAD} bytes.")

    def _refuse(self, code: HTTPStatus, sentence: str) -> None:
        self._refusal = Refusal(code, sentence)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Learn where the body ends, and what shall become of the connection."""
        match name.lower():
            case b"content-length":
                self._left = int(value)
            case b"transfer-encoding":
                self._chunked = value.strip().lower() == b"chunked"
            case b"connection":
                self._keep_alive = b"keep-alive" in value.lower()
            case b"expect":
                self._expects = value.strip().lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """Refuse what is not served, before its body comes."""
        self._in_body = True
        if self._parser.get_method() != b"POST":
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is served.")
        elif self._left is None and not self._chunked:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "A Content-Length is needed.")
        elif self._left is not None and self._left > MOST_BODY:
            self._refuse_size()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(data)
        self._body_size += len(data)
        if self._body_size > MOST_BODY:
            self._refuse_size()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._complete = True

    def _refuse_size(self) -> None:
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may hold {MOST_BODY} bytes at most.")


class Server:
    """A server that listens. `answered` counts the requests that were answered, or refused."""

    def __init__(self, state: State, rules: Sequence[Rule], patience: float) -> None:
        self.host = ""
        self.port = 0
        self.answered = 0
        self.on_answer: Callable[[Answer], None] | None = None
        self.patience = patience
        self._state = state
        self._rules = tuple(rules)
        self._connections: set[_Connection] = set()

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def answer(self, body: bytes, address: str) -> Deviated:
        """Ask the state machine, and let the rules spoil what it says."""
        answer = self._state.answer(body, address, time.monotonic())
        self.tell(answer)
        if answer.command is None or answer.code != HTTPStatus.OK:
            return Deviated(body=answer.body, code=answer.code)
        return deviate.apply(self._rules, answer.body, answer.command, self._state.spec)

    def tell(self, answer: Answer) -> None:
        """Count an answer, and pass it on to whoever wants to know."""
        self.answered += 1
        if self.on_answer is not None:
            self.on_answer(answer)

    def connect(self) -> asyncio.Protocol:
        """Begin a connection."""
        return _Connection(self, self._connections)

    def abort(self) -> None:
        """End all connections at once."""
        for connection in list(self._connections):
            connection.abort()


@asynccontextmanager
async def serve(
    state: State, host: str, port: int, *, rules: Sequence[Rule] = (), patience: float = PATIENCE
) -> AsyncIterator[Server]:
    """Listen while the context lasts; port 0 takes a free one. Connections are cut at the end.

    `patience` is the seconds that a half-sent request may rest before it gets 408. Raises TargetError where it cannot
    listen.
    """
    server = Server(state, rules, patience)
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(server.connect, host, port, backlog=_BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    server.host, server.port = listener.sockets[0].getsockname()[:2]
    try:
        yield server
    finally:
        listener.close()
        server.abort()
        await listener.wait_closed()


def _cannot_listen(host: str, port: int, error: OSError) -> TargetError:
    in_use = error.errno == errno.EADDRINUSE
    known = error.errno is not None and error.errno > 0
    what = os.strerror(error.errno or 0) if known else str(error.strerror or error)
    hint = "choose another port with --listen, or end what listens there" if in_use else "see --listen"
    return TargetError(f"{host}:{port}", f"cannot listen: {what}", hint)


class _Connection(asyncio.Protocol):
    """One connection: requests in, replies out, in order."""

    def __init__(self, server: Server, connections: set["_Connection"]) -> None:
        self._server = server
        self._connections = connections
        self._reader = RequestReader()
        self._transport: asyncio.Transport
        self._address = ""
        self._busy = False  # a reply is delayed
        self._blocked = False  # the client does not read
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._set_timer(None)
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self._ending:
            self._reader.feed(data)
            self._work()

    def eof_received(self) -> bool:
        # What was complete has been answered: while a reply is delayed or blocked nothing is read, not even the end.
        if not self._ending and self._reader.pending:
            self._refuse(Refusal(HTTPStatus.BAD_REQUEST, "The request broke off."))
        return False

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._go_on()

    def abort(self) -> None:
        self._transport.abort()

    def _go_on(self) -> None:
        if not self._busy and not self._blocked:
            self._transport.resume_reading()
            self._work()

    def _work(self) -> None:
        """Answer what is complete, one after the other."""
        while not (self._busy or self._blocked or self._ending) and (item := self._reader.next()) is not None:
            if isinstance(item, Refusal):
                self._refuse(item)
            else:
                self._answer(item)
        if self._ending or self._busy:
            return
        if self._reader.expects_continue():
            self._transport.write(_CONTINUE)
        waits = self._reader.pending and not self._blocked
        # One deadline for the whole of a request: bytes that drip in do not put it off.
        if not waits:
            self._set_timer(None)
        elif self._timer is None:
            self._set_timer(self._server.patience, self._time_out)

    def _answer(self, request: Request) -> None:
        self._set_timer(None)
        deviated = self._server.answer(request.body, self._address)
        if deviated.delay == 0:
            self._send(deviated, request.keep_alive)
            return
        self._busy = True
        self._transport.pause_reading()
        self._set_timer(deviated.delay, self._send_late, deviated, request.keep_alive)

    def _send_late(self, deviated: Deviated, keep_alive: bool) -> None:
        self._busy = False
        self._send(deviated, keep_alive)
        self._go_on()

    def _send(self, deviated: Deviated, keep_alive: bool) -> None:
        keep_alive = keep_alive and deviated.ending == "whole"
        data = _reply(deviated.body, deviated.code, keep_alive)
        match deviated.ending:
            case "whole":
                self._transport.write(data)
            case "cut":
                self._transport.write(data[: len(data) - (len(deviated.body) + 1) // 2])
            case "garbage":
                self._transport.write(_GARBAGE)
        if not keep_alive:
            self._end()

    def _refuse(self, refusal: Refusal) -> None:
        body = f"{refusal.sentence}\n".encode()
        self._server.tell(Answer(body=body, code=refusal.code, outcome=f"HTTP {int(refusal.code)}"))
        self._transport.write(_reply(body, refusal.code, keep_alive=False))
        self._end()

    def _time_out(self) -> None:
        self._refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, "The rest of the request did not come."))

    def _end(self) -> None:
        """Say that nothing more will come, and close once the client has done so too, or a moment later."""
        self._ending = True
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


def _reply(body: bytes, code: int, keep_alive: bool) -> bytes:
    message = http1.reply(body, code=code, reason=_PHRASES.get(code, ""), keep_alive=keep_alive)
    head = message.head
    if code == HTTPStatus.METHOD_NOT_ALLOWED:
        head = http1.with_header(head, "Allow", "POST")
    return head + body
