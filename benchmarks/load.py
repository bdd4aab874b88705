"""The client that loads what is measured: so many connections, each asking anew as soon as it has its reply.

Law: one client for everything, in Python as its counterpart, so that no figure depends on what else is installed. Each
reply is held against what the server says to that request; anything else ends the benchmark.
"""

import asyncio
import time
from itertools import count, cycle

from talk import talk

CONNECTIONS = 16
_END = b"\r\n\r\n"


class _Failed(Exception):
    """What came back was not the reply."""


class _Client(asyncio.Protocol):
    """One of the connections, or one after the other."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = b""
        self._reply = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        _, end, body = self._buffer.partition(_END)
        if not end or len(body) < len(self._reply):
            return
        if body != self._reply or not self._buffer.startswith(b"HTTP/1.1 200 "):
            self._load.fail(f"not the reply that the server gave: {self._buffer!r}")
        self._buffer = b""
        self._load.done += 1
        if self._load.is_over():
            self._transport.close()
        elif self._load.keep_alive:
            self._ask()
        else:
            self._transport.close()
            self._load.connect()

    def connection_lost(self, error: Exception | None) -> None:
        if self._buffer or (error is not None and not self._load.over.done()):
            self._load.fail(f"the connection broke off: {error}")

    def _ask(self) -> None:
        request, self._reply = self._load.next()
        self._transport.write(request)


class _Load:
    """What the connections of one run share."""

    def __init__(self, port: int, keep_alive: bool, seconds: float, most: int | None) -> None:
        self.done = 0
        self.keep_alive = keep_alive
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._talk = cycle(talk().items())
        self._sequences = count(100_000)
        self._port = port
        self._most = most
        self._end = time.perf_counter() + seconds
        self._connecting: set[asyncio.Task[None]] = set()

    def next(self) -> tuple[bytes, bytes]:
        """The next request, and the body that has to come back."""
        (request, reply), sequence = next(self._talk), b"%d" % next(self._sequences)
        return _packed(request.body(sequence), self.keep_alive), reply.body(sequence)

    def is_over(self) -> bool:
        """Whether enough was asked; says so to who waits for it."""
        over = time.perf_counter() >= self._end or (self._most is not None and self.done >= self._most)
        if over and not self.over.done():
            self.over.set_result(None)
        return over

    def fail(self, why: str) -> None:
        """End the run with this reason."""
        if not self.over.done():
            self.over.set_exception(_Failed(why))

    def connect(self) -> None:
        """Open one more connection, which asks at once."""
        task = asyncio.get_running_loop().create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Client(self), "127.0.0.1", self._port)
        except OSError as error:
            self.fail(f"no connection: {error}")


def _packed(body: bytes, keep_alive: bool) -> bytes:
    connection = b"keep-alive" if keep_alive else b"close"
    return (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        b"Content-Length: %d\r\nConnection: %s\r\n\r\n%s" % (len(body), connection, body)
    )


async def _drive(port: int, keep_alive: bool, seconds: float, most: int | None) -> tuple[int, float]:
    load = _Load(port, keep_alive, seconds, most)
    began = time.perf_counter()
    for _ in range(CONNECTIONS):
        load.connect()
    await load.over
    return load.done, time.perf_counter() - began


def drive(port: int, seconds: float, *, keep_alive: bool = True) -> tuple[int, float]:
    """How many requests are answered at that port of this machine in about so many seconds, and in how many exactly."""
    return asyncio.run(_drive(port, keep_alive, seconds, None))


def ask(port: int, number: int) -> None:
    """Have at least so many requests answered, over connections kept alive."""
    asyncio.run(_drive(port, True, 3600, number))
