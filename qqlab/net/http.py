"""HTTP connections to one server: requests go out, outcomes come back by a call; no task and no timer for each.

Law: an exchange ends within its time and its size, whatever the other side does, and ends as an `Outcome`: bytes
that arrived before a failure are kept, and the failure is one line. Heads are kept as they were sent. Only the given
addresses are connected to; there are no proxies and no redirects. A request is sent once. Where no connection comes
about, nothing was sent, and it is tried again a few times. Where a kept connection ends without a byte of a reply, it
most likely had ended before the request came, and the request is sent once more over a fresh one (RFC 9112, 9.3.1),
if it is `safe`: one that changes something might be done twice. What times out is not sent again.

A reply that comes in one read under a head as they nearly all are is taken at once; anything else is `http1.Reader`'s.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import cast

from qqlab import failures, http1
from qqlab.exchange import RawMessage, address
from qqlab.net.outcome import PAUSE, WITHOUT, Outcome, Watch, connect, ended, unconnected

MAX_REPLY = 1024 * 1024
MAX_KEPT = 400

_MOST_HEADS = 256
_FRAMED = re.compile(rb"(?im)^[ \t]*(?:content-length|transfer-encoding)[ \t]*:")

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
        self.heads: dict[bytes, tuple[int, bool]] = {}
        self._addresses = list(addresses)
        self._retries = retries
        self._kept: dict[str, Connection] = {}
        self._standing: set[Connection] = set()
        # In the order in which they began, which is that of their ends: all have the same time.
        self._under_way: dict[_Exchange, None] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, request: RawMessage, then: Then, *, over: str | None = None, safe: bool = True) -> None:
        """Send a request, over the connection kept under that name where one is named; `then` is told the outcome."""
        exchange = _Exchange(request, then, over, safe)
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
            kept.abort()

    def abandon(self) -> list[Then]:
        """Give up what is still without a connection: nothing of it was sent. Whose outcome will not be told then."""
        waiting = [exchange for exchange in self._under_way if exchange.connection is None]
        for exchange in waiting:
            del self._under_way[exchange]
            if exchange.task is not None:
                exchange.task.cancel()
        return [exchange.then for exchange in waiting]

    async def close(self) -> None:
        """End all connections, and whatever is under way; nobody is told of that."""
        self._under_way.clear()
        if self._alarm is not None:
            self._alarm.cancel()
        connecting = list(self._connecting)
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        # One that came to stand while its task was being cancelled may never be said to be lost: nobody waits for that.
        for connection in list(self._standing):
            connection.abort()
        self._standing.clear()
        await asyncio.sleep(0)

    def joined(self, connection: "Connection") -> None:
        """A connection stands."""
        self.opened += 1
        self._standing.add(connection)

    def left(self, connection: "Connection") -> None:
        """It is gone."""
        self._standing.discard(connection)

    def finished(self, exchange: "_Exchange", *, late: bool = False) -> None:
        """An exchange is over: keep its connection, or end it; tell what came of it, or send it once more."""
        if exchange not in self._under_way:
            return
        connection = exchange.connection
        if connection is not None:
            self._release(connection, exchange)
            if exchange.on_kept and exchange.safe and exchange.unheard and not late:
                self._send_again(exchange)  # it keeps its place, and its time goes on
                return
        del self._under_way[exchange]
        exchange.then(exchange.outcome(silent=connection is None or (late and not exchange.received)))

    def _release(self, connection: "Connection", exchange: "_Exchange") -> None:
        over = exchange.over
        if over is None:
            connection.abort()
            return
        before = self._kept.get(over)
        if before is not None and before is not connection:
            before.abort()
        if not (exchange.keeps and connection.quiet):
            self._kept.pop(over, None)
            connection.abort()
        elif before is not connection:
            self._kept[over] = connection
            if len(self._kept) > MAX_KEPT:
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
        exchange.task = asyncio.get_running_loop().create_task(self._connect(exchange))
        self._connecting.add(exchange.task)
        exchange.task.add_done_callback(self._connecting.discard)

    async def _connect(self, exchange: "_Exchange") -> None:
        """Connect, and again after a growing pause where that fails; then ask."""
        left = self._retries
        pause = PAUSE
        while True:
            try:
                connection = await connect(self._addresses, lambda: Connection(self))
            except OSError as error:
                if left and monotonic() + pause - exchange.began < self.timeout:
                    left, pause = left - 1, 2 * pause
                    self.retried += 1
                    await asyncio.sleep(pause / 2)
                    continue
                exchange.error = unconnected(error)
                self.finished(exchange)
                return
            break
        exchange.task = None
        if exchange in self._under_way:
            connection.ask(exchange)
        else:
            connection.abort()

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
        if exchange.task is not None:
            exchange.task.cancel()
        self.finished(exchange, late=True)


class _Exchange:
    """One exchange under way: what has come so far, and what went wrong."""

    __slots__ = (
        "began", "connection", "data", "error", "framed", "keeps", "on_kept", "over", "reader", "received", "reply",
        "request", "safe", "started", "task", "then", "time",
    )  # fmt: skip

    def __init__(self, request: RawMessage, then: Then, over: str | None, safe: bool) -> None:
        self.request = request
        self.data = request.head + request.body
        self.framed = _is_framed(request.head)
        self.then = then
        self.over = over
        self.safe = safe
        self.on_kept = False
        self.keeps = False
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self.reader: http1.Reader | None = None
        self.received: bytes | bytearray = b""
        self.reply: RawMessage | None = None
        self.error: str | None = None
        self.time: datetime | None = None
        self.began = self.started = monotonic()

    @property
    def unheard(self) -> bool:
        """Whether the connection ended before a byte of a reply came."""
        return self.error is not None and not self.received

    @property
    def is_over(self) -> bool:
        """Whether the reply is whole, or cannot become so."""
        return self.reply is not None or self.error is not None

    def take_at_once(self, data: bytes, heads: dict[bytes, tuple[int, bool]], limit: int) -> bool:
        """Take a whole reply whose head is as they nearly all are; whether it was one."""
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        known = heads.get(head)
        if known is None:
            known = _plain(head)
            if known is None:
                return False
            if len(heads) >= _MOST_HEADS:
                heads.clear()
            heads[head] = known
        length, keeps = known
        if len(data) != end + length or len(data) > limit or self.request.head.lstrip().startswith(b"HEAD"):
            return False
        self.received = data
        self.reply = RawMessage(head=head, body=data[end:])
        self.keeps = keeps and self.framed
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
            round(monotonic() - self.started, 6),
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


class Connection(asyncio.Protocol):
    """One connection: an exchange at a time, and the next one at once when it is over."""

    __slots__ = ("_exchange", "_http", "_over", "_stray", "_transport", "_watch", "client")

    def __init__(self, http: Http) -> None:
        self.client = ""
        self._http = http
        self._exchange: _Exchange | None = None
        self._over = False
        self._stray = False  # bytes came that nobody asked for
        self._watch: Watch | None = None
        self._transport: asyncio.Transport

    @property
    def quiet(self) -> bool:
        """Whether the connection stands and nothing came over it that nobody asked for."""
        return not (self._over or self._stray)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._exchange is None

    def can_take(self, safe: bool) -> bool:
        """Whether a request can go over it. Of one that is not safe the system is asked, too: it must not be lost with
        an end that has come and was not read yet."""
        if self._over or self._stray or self._exchange is not None:
            return False
        return safe or not self._has_news()

    def ask(self, exchange: _Exchange) -> None:
        """Send a request; without a length our direction ends with it, which tells the server where it ends."""
        self._exchange = exchange
        exchange.connection = self
        exchange.time, exchange.started = datetime.now(UTC), monotonic()
        if self._over:
            self._end(None)
            return
        self._transport.write(exchange.data)
        if not exchange.framed and self._transport.can_write_eof():
            self._transport.write_eof()

    def abort(self) -> None:
        """End the connection; what was not sent yet is dropped."""
        self._over, self._exchange = True, None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.client = address(*transport.get_extra_info("sockname")[:2])
        self._http.joined(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        exchange = self._exchange
        if exchange is None:
            self._stray = True
            self._transport.abort()
            return
        if exchange.reader is not None or not exchange.take_at_once(data, self._http.heads, self._http.limit):
            exchange.take(data, self._http.limit)
            if not exchange.is_over:
                return
        self._exchange = None
        self._http.finished(exchange)

    def eof_received(self) -> None:
        """The server sends nothing more."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(exc)
        self._http.left(self)

    def _end(self, failure: Exception | None) -> None:
        self._over = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.ended(failure)
            self._http.finished(exchange)

    def _has_news(self) -> bool:
        if self._watch is None:
            self._watch = Watch(self._transport, end_only=False)
        return self._watch.has_news()


@lru_cache(_MOST_HEADS)
def _is_framed(head: bytes) -> bool:
    """Whether a request says where its body ends."""
    return _FRAMED.search(head) is not None


def _keeps(reply_head: bytes) -> bool:
    """Whether the server keeps the connection."""
    head = http1.parse_head(reply_head)
    connection = (head.get("connection") or "").lower()
    return "keep-alive" in connection if "HTTP/1.0" in head.start else "close" not in connection


def _plain(head: bytes) -> tuple[int, bool] | None:
    """The length that a usual head states, and whether it keeps the connection; None where more must be looked at."""
    length = http1.stated_length(head)
    return None if length is None else (length, _keeps(head))
