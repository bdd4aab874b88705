"""HTTP connections to one server: requests go out, outcomes come back by a call; no task and no timer for each.

Law: an exchange ends within its time and its size, whatever the other side does, and ends as an `Outcome`: bytes
that arrived before a failure are kept, and the failure is one line. Heads are kept as they were sent. Only the given
addresses are connected to; there are no proxies and no redirects. A request is sent once. Where no connection comes
about, nothing was sent, and it is tried again a few times. Where a kept connection ends without a byte of a reply, it
most likely had ended before the request came, and the request is sent once more over a fresh one (RFC 9112, 9.3.1),
if it is `safe`: one that changes something might be done twice. What times out is not sent again.

A connection to a server next door most often stands at once, and the request goes out in the same moment; otherwise it
is waited for. A reply that comes in one read under a head as they nearly all are is taken at once; anything else is
`http1.Reader`'s.
"""

import asyncio
import contextlib
import errno
import os
import re
import resource
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from qqlab import failures, http1
from qqlab.exchange import RawMessage, address
from qqlab.net.outcome import PAUSE, WITHOUT, Outcome, ended, unconnected
from qqlab.net.ready import AT_HAND, Ready

MAX_REPLY = 1024 * 1024

_MOST_KEPT = 400
_MANY_FILES = 1_000_000
_MOST_HEADS = 256
_PIECE = 64 * 1024  # the most bytes of one read
_FRAMED = re.compile(rb"(?im)^[ \t]*(?:content-length|transfer-encoding)[ \t]*:")
_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)  # not every system makes sockets that way
_KIND = socket.SOCK_STREAM | _NONBLOCK
# A connection's last handshake goes out with the request, not in a packet of its own, where the system can have it so.
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
_CONNECTING = (0, errno.EINPROGRESS)
# An end that comes in so short a time before a request goes out comes as good as at once with it.
_JUST_NOW = 0.0001
_NOT_YET = (errno.EAGAIN, errno.ENOTCONN)  # what systems say to who sends before a connection stands

Then = Callable[[Outcome], None]


class Http:
    """Sends to one server, at the first of its addresses that answers.

    `timeout` is seconds for a whole exchange, connecting included, `limit` the bytes of a reply with its head,
    `retries` how often a connection that failed is tried again. `opened` counts connections, `reused` the requests that
    went over one that had served before, `retried` the connections that were tried again, `again` the requests that
    were sent once more.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int]], *, timeout: float = 5.0, limit: int = MAX_REPLY, retries: int = 0
    ) -> None:
        self.opened = self.reused = self.retried = self.again = 0
        self.timeout = timeout
        self.limit = limit
        self.heads: dict[bytes, _Plain] = {}
        self._addresses = tuple(_numeric(host, port) for host, port in addresses)
        self._retries = retries
        self._kept: dict[str, Connection] = {}
        self._most_kept = most_kept()
        # In the order in which they began, which is that of their ends: all have the same time.
        self._under_way: dict[_Exchange, None] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._ready: Ready | None = None

    def send(self, request: RawMessage, then: Then, *, over: str | None = None, safe: bool = True) -> None:
        """Send a request, over the connection kept under that name where one is named; `then` is told the outcome, in a
        later turn of the event loop."""
        began = monotonic()
        head = request.head
        exchange = _Exchange(request, then, over, safe, head + request.body, *_asked(head), began, began)
        self._under_way[exchange] = None
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self.timeout, self._look)
        kept = self._kept.get(over) if over is not None else None
        if kept is not None and kept.can_take(safe):
            exchange.on_kept = True
            self.reused += 1
            kept.ask(exchange)
        else:
            self._open(exchange)

    def let_go(self, over: str) -> None:
        """End the connection that is kept under a name."""
        kept = self._kept.pop(over, None)
        if kept is not None:
            kept.end()

    def abandon(self) -> list[Then]:
        """Give up what is still without a connection: nothing of it was sent, or (over a kept one that had ended) what
        does no harm to send again. Whose outcome will not be told then."""
        waiting = [exchange for exchange in self._under_way if exchange.connection is None]
        for exchange in waiting:
            del self._under_way[exchange]
            exchange.stop_connecting()
        return [exchange.then for exchange in waiting]

    async def close(self) -> None:
        """End all connections, and whatever is under way; nobody is told of that."""
        # Any other was ended as soon as it was over with what went over it.
        connections = [*self._kept.values(), *(one.connection for one in self._under_way)]
        for exchange in self._under_way:
            exchange.stop_connecting()
        self._under_way.clear()
        if self._alarm is not None:
            self._alarm.cancel()
        for connection in connections:
            if connection is not None:
                connection.end()
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    @property
    def ready(self) -> Ready:
        """Who watches the sockets."""
        if self._ready is None:
            self._ready = AT_HAND()
        return self._ready

    def joined(self, where: "_Address") -> None:
        """A connection stands; its address comes first from now on."""
        self.opened += 1
        if where is not self._addresses[0]:
            self._addresses = (where, *(one for one in self._addresses if one is not where))

    def failed(self, exchange: "_Exchange", error: OSError) -> None:
        """No connection came about: try the next address, or all of them again after a growing pause."""
        exchange.connecting = None
        pause = PAUSE * 2**exchange.retried
        if exchange.addresses:
            self._connect(exchange)
        elif exchange.retried < self._retries and monotonic() + pause - exchange.began < self.timeout:
            exchange.retried += 1
            self.retried += 1
            exchange.connecting = asyncio.get_running_loop().call_later(pause, self._open, exchange).cancel
        else:
            exchange.error = unconnected(error)
            asyncio.get_running_loop().call_soon(self.finished, exchange)

    def finished(self, exchange: "_Exchange", *, late: bool = False) -> None:
        """An exchange is over: keep its connection, or end it; tell what came of it, or send it once more."""
        if exchange not in self._under_way:
            return
        connection = exchange.connection
        if connection is not None:
            if not (exchange.on_kept and exchange.keeps and connection.quiet):  # most often it stays what it is
                self._release(connection, exchange)
            if exchange.error is not None and exchange.may_go_again and not late:
                self._send_again(exchange)  # it keeps its place, and its time goes on
                return
        del self._under_way[exchange]
        exchange.then(exchange.outcome(silent=connection is None or (late and not exchange.received)))

    def _release(self, connection: "Connection", exchange: "_Exchange") -> None:
        over = exchange.over
        if over is None:
            connection.end()
            return
        before = self._kept.get(over)
        if before is not None and before is not connection:
            before.end()
        if not (exchange.keeps and connection.quiet):
            self._kept.pop(over, None)
            connection.end()
        elif before is not connection:
            self._kept[over] = connection
            if len(self._kept) > self._most_kept:
                self._let_one_go()

    def _let_one_go(self) -> None:
        idle = next((name for name, connection in self._kept.items() if connection.idle), None)
        if idle is not None:
            self.let_go(idle)

    def _send_again(self, exchange: "_Exchange") -> None:
        self.again += 1
        exchange.connection, exchange.error, exchange.on_kept = None, None, False
        self._open(exchange)

    def _open(self, exchange: "_Exchange") -> None:
        """Connect to the first of all addresses that can be, then ask."""
        exchange.addresses = self._addresses
        self._connect(exchange)

    def _connect(self, exchange: "_Exchange") -> None:
        where, *exchange.addresses = exchange.addresses
        try:
            Connection(self, where).open(exchange)
        except OSError as error:
            self.failed(exchange, error)
        else:
            if exchange.connecting is not None and exchange.addresses:
                self._wait_a_part(exchange, exchange.connecting)

    def _wait_a_part(self, exchange: "_Exchange", stop: Callable[[], object]) -> None:
        """Wait for an address as long as each of those that are left can be waited for: one that swallows what is sent
        to it is no reason not to try the others."""
        left = exchange.began + self.timeout - monotonic()
        part = left / (1 + len(exchange.addresses))
        asyncio.get_running_loop().call_later(part, self._pass_over, exchange, stop)

    def _pass_over(self, exchange: "_Exchange", stop: Callable[[], object]) -> None:
        if exchange.connecting == stop:  # it may stand by now, or be over
            stop()
            self.failed(exchange, TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    def _look(self) -> None:
        """End what has had its time. The one that began first ends first, so one alarm is enough for all."""
        self._alarm = None
        now = monotonic()
        while self._under_way:
            exchange = next(iter(self._under_way))
            left = exchange.began + self.timeout - now
            if left > 0:
                self._alarm = asyncio.get_running_loop().call_later(left, self._look)
                return
            self._give_up(exchange)

    def _give_up(self, exchange: "_Exchange") -> None:
        exchange.give_up(self.timeout)
        exchange.stop_connecting()
        self.finished(exchange, late=True)


def most_files() -> int:
    """How many files this process may have open, sockets included."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY_FILES if soft == resource.RLIM_INFINITY else soft


def most_kept() -> int:
    """How many connections are kept while nothing is under way over them: fewer where few files may be open."""
    return min(_MOST_KEPT, most_files() * 2 // 5)


class _Exchange(msgspec.Struct, eq=False):
    """One exchange under way: what has come so far, and what went wrong.

    `data` are its bytes, `framed` says whether they tell where its body ends, `asks_head` whether it asks for a head
    alone. `connecting` ends the wait for a connection, `addresses` are those where it was not tried yet.
    """

    request: RawMessage
    then: Then
    over: str | None
    safe: bool
    data: bytes
    framed: bool
    asks_head: bool
    began: float
    started: float
    on_kept: bool = False
    keeps: bool = False
    connection: "Connection | None" = None
    connecting: Callable[[], object] | None = None
    addresses: "Sequence[_Address]" = ()
    retried: int = 0
    reader: http1.Reader | None = None
    received: bytes | bytearray = b""
    reply: RawMessage | None = None
    error: str | None = None
    time: datetime | None = None

    @property
    def may_go_again(self) -> bool:
        """Whether it does no harm to send it once more, where a kept connection ended before a byte of a reply came."""
        return self.on_kept and self.safe and not self.received

    @property
    def is_over(self) -> bool:
        """Whether the reply is whole, or cannot become so."""
        return self.reply is not None or self.error is not None

    def stop_connecting(self) -> None:
        """Wait for no connection any more."""
        if self.connecting is not None:
            self.connecting()
            self.connecting = None

    def take_at_once(self, data: bytes, heads: "dict[bytes, _Plain]", limit: int) -> bool:
        """Take a whole reply whose head is as they nearly all are; whether it was one."""
        end = data.find(b"\r\n\r\n") + 4
        known = heads.get(data[:end])
        if known is None:
            known = _plain(data[:end])
            if known is None:
                return False
            if len(heads) >= _MOST_HEADS:
                heads.clear()
            heads[known.head] = known
        if len(data) != end + known.length or len(data) > limit or self.asks_head:
            return False
        self.received = data
        self.reply = RawMessage(head=known.head, body=data[end:])
        self.keeps = known.keeps and self.framed
        return True

    def take(self, data: bytes, limit: int) -> None:
        """Take bytes of any reply."""
        if self.reader is None:
            request = self.request
            self.reader = http1.Reader("reply", bodiless=lambda: http1.wants_head(request))
            self.received = bytearray()
        room = limit - len(self.received)
        self.received += data[:room]
        messages = self.reader.feed(data[:room])
        if messages:
            self.reply = messages[0]
            self.keeps = self.framed and _keeps(self.reply.head)
            if len(messages) > 1 or self.reader.pending:
                self.error = failures.say("length")
        elif self.reader.broken is not None or self.reader.stray:
            self.error = failures.say("no-http", how=self.reader.broken or http1.NO_HTTP)
        elif len(data) > room:
            self.error = failures.say("long", count=limit)

    def ended(self, failure: Exception | None) -> None:
        """The server's direction is over: that ends a reply without a length, and cuts off any other."""
        reader = self.reader
        if reader is None or not self.received:
            self.error = ended(failure, WITHOUT)
        elif not reader.in_body:
            self.error = ended(failure, f"within the head of the reply ({len(self.received)} bytes came)")
        else:
            whole = reader.open_ended and failure is None
            self.reply = reader.flush() or RawMessage()
            came = len(self.reply.body)
            self.error = None if whole else ended(failure, f"within the body of the reply ({came} bytes came)")

    def give_up(self, timeout: float) -> None:
        """The time is over."""
        if self.connection is None:
            self.error = unconnected(timeout)
        elif not self.received:
            self.error = failures.say("silent", seconds=f"{timeout:g}")
        else:
            self.error = failures.say("slow", seconds=f"{timeout:g}", count=len(self.received))

    def outcome(self, *, silent: bool) -> Outcome:
        """What came of it."""
        reply = self.reply
        return Outcome(
            reply if reply is not None else self._partial(),
            self.error,
            self.time or datetime.now(UTC),
            int((monotonic() - self.started) * 1e6) / 1e6,
            "" if self.connection is None else self.connection.client,
            silent,
            "" if reply is None else "order",
        )

    def _partial(self) -> RawMessage | None:
        """What came of a reply that is not whole: its head and the start of its body, or the bytes as they are."""
        received = bytes(self.received)
        if not received.lstrip(b"\r\n").startswith(b"HTTP/"):
            return RawMessage(body=received) if received else None
        flushed = None if self.reader is None else self.reader.flush()
        return flushed or RawMessage(head=received)


class Connection:
    """One connection: an exchange at a time. `client` is our own end of it, `over` tells whether it has ended."""

    __slots__ = (
        "_exchange", "_failure", "_http", "_number", "_ready", "_receive", "_send", "_socket", "_turn", "_unsent",
        "_where", "client", "over",
    )  # fmt: skip

    def __init__(self, http: Http, where: "_Address") -> None:
        """Raises OSError where the system gives no socket."""
        self.client = ""
        self.over = False
        self._http = http
        self._where = where
        self._socket = socket.SocketType(where.family, _KIND)  # `socket.socket` adds files and its own close to that
        if not _NONBLOCK:
            self._socket.setblocking(False)
        if _QUICK_ACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 0)
        self._number = self._socket.fileno()
        self._receive, self._send = self._socket.recv, self._socket.send
        self._ready = http.ready
        self._exchange: _Exchange | None = None
        self._unsent = b""
        self._failure: OSError | None = None  # that of sending
        self._turn = 0  # in which the last reply was read

    @property
    def quiet(self) -> bool:
        """Whether the connection stands and nothing is left of what was to be sent."""
        return not (self.over or self._unsent)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._exchange is None

    def can_take(self, safe: bool) -> bool:
        """Whether a request can go over it. For one that is not safe what has come since the last reply is read first:
        it must not be lost with an end that is there already."""
        if self.over or self._exchange is not None:
            return False
        if not safe:
            self._ready.look(self._turn, _JUST_NOW)
        return not self.over and self._exchange is None

    def open(self, exchange: _Exchange) -> None:
        """Connect, and send a request. Raises OSError where that fails at once."""
        try:
            failed = self._socket.connect_ex(self._where.name)
            if failed not in _CONNECTING:
                raise OSError(failed, os.strerror(failed))
            exchange.time, exchange.started = datetime.now(UTC), monotonic()
            sent = self._send(exchange.data)
        except OSError as error:
            if error.errno not in _NOT_YET:
                self._socket.close()
                raise
            exchange.connecting = self._stop
            self._exchange = exchange
            self._ready.watch(self._number, self._stands, writing=True)
        else:
            self._ready.watch(self._number, self._read)
            self._join(exchange)
            if sent < len(exchange.data) or not exchange.framed:
                self._sent(exchange, sent)

    def ask(self, exchange: _Exchange) -> None:
        """Send a request."""
        self._exchange = exchange
        exchange.connection = self
        exchange.time, exchange.started = datetime.now(UTC), monotonic()
        try:
            sent = self._send(exchange.data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(error)
            return
        if sent < len(exchange.data) or not exchange.framed:
            self._sent(exchange, sent)

    def end(self) -> None:
        """End the connection; what was not sent yet is dropped."""
        if not self.over:
            self._stop()

    def _stop(self) -> None:
        self.over, self._exchange = True, None
        self._ready.forget(self._number)
        self._socket.close()

    def _join(self, exchange: _Exchange) -> None:
        self.client = address(*self._socket.getsockname()[:2])
        self._http.joined(self._where)
        self._exchange = exchange
        exchange.connection, exchange.connecting = self, None

    def _stands(self) -> None:
        """The connection stands, or will not; or this was the call of who had the number of the socket before."""
        exchange = self._exchange
        failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if exchange is not None and failed:
            self._stop()
            self._http.failed(exchange, OSError(failed, os.strerror(failed)))
        elif exchange is not None and self._has_peer():
            self._join(exchange)
            self._ready.change(self._number, self._read)
            self.ask(exchange)

    def _has_peer(self) -> bool:
        try:
            self._socket.getpeername()
        except OSError:
            return False
        return True

    def _sent(self, exchange: _Exchange, count: int) -> None:
        """So much of what was to be sent went out. Without a length our direction ends with it, which tells the server
        where it ends."""
        had_to_wait = bool(self._unsent)
        self._unsent = (self._unsent or exchange.data)[count:]
        if self._unsent:
            self._ready.change(self._number, self._go_on, writing=True)
            return
        if had_to_wait:
            self._ready.change(self._number, self._read)
        if not exchange.framed:
            with contextlib.suppress(OSError):  # it has ended already, as who reads will see
                self._socket.shutdown(socket.SHUT_WR)

    def _go_on(self) -> None:
        """Send more of a long request; and read, since the server may not wait for its end."""
        exchange = self._exchange
        if exchange is not None:
            try:
                self._sent(exchange, self._send(self._unsent))
            except BlockingIOError:
                pass
            except OSError as error:
                self._fail(error)
        self._read()

    def _fail(self, error: OSError) -> None:
        """Nothing more can be sent; what came before that is read first."""
        self._failure = error
        if self._unsent:
            self._unsent = b""
            self._ready.change(self._number, self._read)

    def _read(self) -> None:
        """Take what has come."""
        try:
            data = self._receive(_PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self._ended(error)
            return
        exchange = self._exchange
        if exchange is None or not data:
            self._ended(self._failure)  # what comes unasked ends it, too
            return
        http = self._http
        if exchange.reader is not None or not exchange.take_at_once(data, http.heads, http.limit):
            exchange.take(data, http.limit)
            if not exchange.is_over:
                return
        self._exchange = None
        self._turn = self._ready.turn
        http.finished(exchange)

    def _ended(self, failure: OSError | None) -> None:
        exchange = self._exchange
        self.end()
        if exchange is not None:
            exchange.ended(failure)
            self._http.finished(exchange)


class _Address(NamedTuple):
    """Where to connect to, as sockets name it."""

    family: int
    name: Any


class _Plain(NamedTuple):
    """A usual head, the length that it states, and whether it keeps the connection."""

    head: bytes
    length: int
    keeps: bool


def _numeric(host: str, port: int) -> _Address:
    """A numeric address as sockets name it: no name is looked up. Raises OSError for what is none."""
    family, _, _, _, name = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )[0]
    return _Address(family, name)


@lru_cache(_MOST_HEADS)
def _asked(head: bytes) -> tuple[bool, bool]:
    """Whether a request says where its body ends, and whether it asks for a head alone."""
    return _FRAMED.search(head) is not None, http1.wants_head(RawMessage(head=head))


def _keeps(reply_head: bytes) -> bool:
    """Whether the server keeps the connection."""
    head = http1.parse_head(reply_head)
    connection = (head.get("connection") or "").lower()
    return "keep-alive" in connection if "HTTP/1.0" in head.start else "close" not in connection


def _plain(head: bytes) -> _Plain | None:
    """A head as they nearly all are; None where more must be looked at."""
    length = http1.stated_length(head)
    return None if length is None else _Plain(head, length, _keeps(head))
