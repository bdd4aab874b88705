"""Sending recorded requests and taking what comes back, byte for byte.

Law: an exchange ends within its time and its size, whatever the other side does, and ends as an `Outcome`: bytes
that arrived before a failure are kept, and the failure is one line. Heads are kept as they were sent (which is why
the sans-IO `http1.Reader` reads them, not a general client). Only the given addresses are connected to; there are
no proxies and no redirects. A request is sent once, but for one case: where a kept connection ends without a byte of
a reply, it most likely had ended before the request came, and the request is sent once more over a fresh one (RFC
9112, 9.3.1). What times out is not sent again.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple, TypeVar

from qqlab import failures, http1
from qqlab.exchange import Pairing, RawMessage, address

MAX_REPLY = 1024 * 1024
MAX_KEPT = 100

_P = TypeVar("_P", bound=asyncio.Protocol)


class Outcome(NamedTuple):
    """What came of a request.

    `time` is when it was sent, `elapsed` the seconds from there to the end, `client` our own `host:port` (empty
    where no connection came about). `reply` is None where nothing came; `error` says in one line what went wrong,
    None where the reply is whole. `silent` means that there was no connection, or not a byte in time. `pairing` is how
    the reply was found to belong to the request.
    """

    reply: RawMessage | None
    error: str | None
    time: datetime
    elapsed: float
    client: str
    silent: bool
    pairing: Pairing = ""


class Client:
    """Sends to one server, at the first of its addresses that answers; `timeout` is seconds for a whole exchange,
    `limit` the bytes of a reply with its head."""

    def __init__(self, addresses: Sequence[tuple[str, int]], *, timeout: float = 5.0, limit: int = MAX_REPLY) -> None:
        self._addresses = list(addresses)
        self._timeout = timeout
        self._limit = limit
        self._kept: dict[str, _Stream] = {}

    async def send(self, request: RawMessage, *, lane: str | None = None) -> Outcome:
        """Send a request and read its reply; over the connection kept for `lane` where one is named."""
        exchange = _Exchange(request, self._limit)
        try:
            async with asyncio.timeout(self._timeout):
                kept = self._waiting(lane)
                exchange.stream = kept or await self._connect()
                await exchange.run()
                if kept is not None and exchange.unheard:
                    exchange = _Exchange(request, self._limit)
                    exchange.stream = await self._connect()
                    await exchange.run()
        except TimeoutError:
            exchange.give_up(self._timeout)
        except OSError as error:
            exchange.error = unconnected(error)
        finally:
            await self._release(exchange, lane)
        return exchange.outcome()

    async def close(self) -> None:
        """Close the connections that were kept."""
        for stream in self._kept.values():
            await stream.close()
        self._kept.clear()

    def _waiting(self, lane: str | None) -> "_Stream | None":
        """The connection kept for a lane, if the server has not ended it since."""
        stream = self._kept.get(lane) if lane is not None else None
        return stream if stream is not None and stream.quiet else None

    async def _release(self, exchange: "_Exchange", lane: str | None) -> None:
        """Keep the connection for its lane where both sides want that, else close it."""
        before = self._kept.pop(lane, None) if lane is not None else None
        stream = exchange.stream
        if before is not None and before is not stream:
            await before.close()
        if stream is None:
            return
        if lane is None or not exchange.reusable():
            await stream.close()
            return
        self._kept[lane] = stream
        if len(self._kept) > MAX_KEPT:
            await self._kept.pop(next(iter(self._kept))).close()

    async def _connect(self) -> "_Stream":
        return await connect(self._addresses, lambda: _Stream(self._limit))


async def connect(addresses: list[tuple[str, int]], make: Callable[[], _P]) -> _P:
    """Connect to the first address that can be; it comes first from then on. Raises OSError of the last."""
    failure = OSError("no address")
    for candidate in list(addresses):
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(make, *candidate)
        except OSError as error:
            failure = error
            continue
        addresses.remove(candidate)
        addresses.insert(0, candidate)
        return protocol
    raise failure


class _Stream(asyncio.Protocol):
    """A connection whose bytes wait until they are read; what comes before a reset is not lost with it.

    asyncio's own StreamReader forgets what it holds once the connection fails.
    """

    def __init__(self, limit: int) -> None:
        self.over = False
        self.failure: Exception | None = None
        self.client = ""
        self._limit = limit
        self._data = bytearray()
        self._wake = asyncio.Event()
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.client = address(*transport.get_extra_info("sockname")[:2])

    def data_received(self, data: bytes) -> None:
        self._data += data
        self._wake.set()
        if len(self._data) > self._limit and self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)
        self._lost.set()

    def _end(self, error: Exception | None) -> None:
        self.over = True
        self.failure = self.failure or error
        self._wake.set()

    @property
    def quiet(self) -> bool:
        """Whether the connection stands and nothing waits in it that nobody asked for."""
        return not self.over and not self._data

    def send(self, data: bytes, *, last: bool) -> None:
        """Send bytes; `last` ends our direction, which tells the server where a request without a length ends."""
        assert self._transport is not None
        self._transport.write(data)
        if last and self._transport.can_write_eof():
            self._transport.write_eof()

    async def read(self) -> bytes:
        """What has come since; nothing once the connection is over."""
        while not self._data and not self.over:
            self._wake.clear()
            await self._wake.wait()
        data = bytes(self._data)
        self._data.clear()
        return data

    async def close(self) -> None:
        """End the connection, and wait until it is gone; what was not sent yet is dropped."""
        assert self._transport is not None
        self._transport.abort()
        with contextlib.suppress(OSError):
            await self._lost.wait()


class _Exchange:
    """The state of one exchange: what has come so far, and what went wrong."""

    def __init__(self, request: RawMessage, limit: int) -> None:
        self.stream: _Stream | None = None
        self.error: str | None = None
        self._request = request
        self._limit = limit
        self._reader = http1.Reader("reply", bodiless=lambda: http1.wants_head(request))
        self._received = bytearray()
        self._reply: RawMessage | None = None
        self._late = False
        self._time = datetime.now(UTC)
        self._started = monotonic()

    async def run(self) -> None:
        """Send the request and read until the reply is whole or cannot become so."""
        assert self.stream is not None
        self._time, self._started = datetime.now(UTC), monotonic()
        self.stream.send(self._request.head + self._request.body, last=not _is_framed(self._request))
        while self._reply is None and self.error is None:
            data = await self.stream.read()
            if data:
                self._take(data)
            else:
                self._ended()

    def _take(self, data: bytes) -> None:
        room = self._limit - len(self._received)
        self._received += data[:room]
        messages = self._reader.feed(data[:room])
        if messages:
            self._reply = messages[0]
            if len(messages) > 1 or self._reader.pending:
                self.error = failures.say("length")
        elif self._reader.broken is not None or self._reader.stray:
            self.error = failures.say("no-http", how=self._reader.broken or http1.NO_HTTP)
        elif len(data) > room:
            self.error = failures.say("long", count=self._limit)

    def _ended(self) -> None:
        """The server's direction is over: that ends a reply without a length, and cuts off any other."""
        assert self.stream is not None
        failure = self.stream.failure
        whole = self._reader.open_ended and failure is None
        if not self._received:
            self.error = ended(failure, "without a reply")
        elif not self._reader.in_body:
            self.error = ended(failure, f"within the head of the reply ({len(self._received)} bytes came)")
        else:
            self._reply = self._reader.flush() or RawMessage()
            came = len(self._reply.body)
            self.error = None if whole else ended(failure, f"within the body of the reply ({came} bytes came)")

    def give_up(self, timeout: float) -> None:
        """The time is over."""
        self._late = True
        if self.stream is None:
            self.error = unconnected(timeout)
        elif not self._received:
            self.error = failures.say("silent", seconds=f"{timeout:g}")
        else:
            self.error = failures.say("slow", seconds=f"{timeout:g}", count=len(self._received))

    @property
    def unheard(self) -> bool:
        """Whether the connection ended before a byte of a reply came."""
        return self.error is not None and not self._received

    def reusable(self) -> bool:
        """Whether the connection can carry another exchange: not where its end was the request's end, too."""
        if self.error is not None or self._reply is None or self.stream is None or not _is_framed(self._request):
            return False
        head = http1.parse_head(self._reply.head)
        connection = (head.get("connection") or "").lower()
        kept = "keep-alive" in connection if "HTTP/1.0" in head.start else "close" not in connection
        return kept and self.stream.quiet

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            reply=self._reply if self._reply is not None else self._partial(),
            error=self.error,
            time=self._time,
            elapsed=round(monotonic() - self._started, 6),
            client="" if self.stream is None else self.stream.client,
            silent=self.stream is None or (self._late and not self._received),
            pairing="" if self._reply is None else "order",
        )

    def _partial(self) -> RawMessage | None:
        """What came of a reply that is not whole: its head and the start of its body, or the bytes as they are."""
        received = bytes(self._received)
        if not received.lstrip(b"\r\n").startswith(b"HTTP/"):
            return RawMessage(body=received) if received else None
        return self._reader.flush() or RawMessage(head=received)


def _is_framed(message: RawMessage) -> bool:
    """Whether the head says where the body ends; it is the connection's end that ends any other."""
    head = http1.parse_head(message.head)
    return head.get("content-length") is not None or head.get("transfer-encoding") is not None


def unconnected(why: OSError | float) -> str:
    """What is said where no connection came about: the system's words, or the seconds that were over."""
    if isinstance(why, ConnectionRefusedError):
        return failures.say("refused")
    return failures.say("unreachable", how=f": {told(why)}" if isinstance(why, OSError) else f" within {why:g} s")


def ended(failure: Exception | None, where: str) -> str:
    """What is said of a connection that ended where it should not: closed, or by a failure."""
    if failure is not None:
        return failures.say("reset", how=told(failure), where=where)
    return failures.say("closed") if where == "without a reply" else failures.say("cut", where=where)


def told(error: Exception) -> str:
    """The system's words for a failure, in one line."""
    number = error.errno if isinstance(error, OSError) else None
    text = os.strerror(number) if number is not None and number > 0 else str(error) or type(error).__name__
    return text.lower()
