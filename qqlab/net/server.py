"""The reference test server on a socket: asyncio around the pure state machine.

Law: what a connection does stands in `qqlab.net.connection`; here they are begun, asked for, pushed to and ended.
Lines, where they are served, share the port with HTTP: the first bytes of a connection tell.
"""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from qqlab.errors import TargetError
from qqlab.net.connection import Connection, HttpConnection, LineConnection, Sniffer
from qqlab.spec import Command
from qqlab.testserver import deviate
from qqlab.testserver.deviate import Deviated, Rule
from qqlab.testserver.state import Answer, State

PATIENCE = 10.0  # seconds in which a request that has begun must be complete
_BACKLOG = 1024


class Server:
    """A server that listens. `answered` counts the requests that were answered, or refused; `lines` tells whether bare
    lines are served beside HTTP."""

    def __init__(self, state: State, rules: Sequence[Rule], patience: float, *, lines: bool = False) -> None:
        self.host = ""
        self.port = 0
        self.answered = 0
        self.on_answer: Callable[[Answer], None] | None = None
        self.patience = patience
        self.lines = lines
        self._state = state
        self._rules = tuple(rules)
        self._numbers = count(1)
        self._connections: set[Connection | Sniffer] = set()
        self._lines: dict[int, LineConnection] = {}

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self._connections)

    def ask(self, body: bytes, address: str, line: int | None = None) -> Answer:
        """What the state machine says."""
        answer = self._state.answer(body, address, time.monotonic(), line)
        self.tell(answer)
        return answer

    def tell(self, answer: Answer) -> None:
        """Count an answer, and pass it on to whoever wants to know."""
        self.answered += 1
        if self.on_answer is not None:
            self.on_answer(answer)

    def deviated(self, body: bytes, command: Command) -> Deviated:
        """What the rules make of a reply or a push."""
        return deviate.apply(self._rules, body, command, self._state.spec)

    def deliver(self) -> None:
        """Push what there is to be pushed, each over its line."""
        for push in self._state.pushes():
            if push.line in self._lines:
                self._lines[push.line].push(self.deviated(push.body, push.command))

    def connect(self) -> asyncio.Protocol:
        """Begin a connection."""
        return Sniffer(self, self._http, self._line) if self.lines else self._http()

    def joined(self, connection: Connection | Sniffer) -> None:
        """A connection has begun."""
        self._connections.add(connection)
        if isinstance(connection, LineConnection):
            self._lines[connection.number] = connection

    def left(self, connection: Connection | Sniffer) -> None:
        """A connection is over."""
        self._connections.discard(connection)
        if isinstance(connection, LineConnection):
            self._lines.pop(connection.number, None)
            self._state.hang_up(connection.number)

    def abort(self) -> None:
        """End all connections at once."""
        for connection in list(self._connections):
            connection.abort()

    def _http(self) -> Connection:
        return HttpConnection(self)

    def _line(self) -> Connection:
        return LineConnection(self, next(self._numbers))


@asynccontextmanager
async def serve(
    state: State,
    host: str,
    port: int,
    *,
    rules: Sequence[Rule] = (),
    patience: float = PATIENCE,
    lines: bool = False,
) -> AsyncIterator[Server]:
    """Listen while the context lasts; port 0 takes a free one. Connections are cut at the end.

    `patience` is the seconds that a half-sent request may rest before it gets 408; `lines` serves bare lines beside
    HTTP. Raises TargetError where it cannot listen.
    """
    server = Server(state, rules, patience, lines=lines)
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
