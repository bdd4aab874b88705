"""The target of replays that are measured: each reply stands ready, so that what is measured is the client.

Law: what a capture holds is answered as it was, with the sequence number that was asked with. It prints its port and
serves until its input ends. A capture's path is its only argument.
"""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from qqlab import http1
from qqlab.capture import load
from qqlab.net.loop import run
from qqlab.spec import builtin

_END = b"\r\n\r\n"
_MARK = b"&" + builtin().roles.sequence.encode() + b"="


class _Ready(NamedTuple):
    """A reply: its head without the length, and its body before and behind the number."""

    head: bytes
    before: bytes
    behind: bytes

    def around(self, digits: int) -> tuple[bytes, bytes]:
        """All that stands before a number of so many digits, and all behind it."""
        length = len(self.before) + digits + len(self.behind)
        return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, length, self.before), self.behind


# By what stands before and behind the request's number.
_Replies = dict[tuple[bytes, bytes], _Ready]
_Around = dict[tuple[bytes, bytes, int], tuple[bytes, bytes]]


class _Canned(asyncio.Protocol):
    """One connection, kept as long as the client wants it."""

    def __init__(self, replies: _Replies, heads: dict[bytes, tuple[int, bool]], around: _Around) -> None:
        self._replies = replies
        self._heads = heads
        self._around = around
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        while data:
            head, end, rest = data.partition(_END)
            length, last = self._heads.get(head) or self._read(head) if end else (0, False)
            if not end or len(rest) < length:
                break
            before, _, behind = rest[:length].partition(_MARK)
            sequence, _, behind = behind.partition(b"&")
            said = self._around.get((before, behind, len(sequence))) or self._make(before, behind, len(sequence))
            self._transport.write(b"%b%b%b" % (said[0], sequence, said[1]))
            if last:
                self._transport.close()
            data = rest[length:]
        self._buffer = data

    def _make(self, before: bytes, behind: bytes, digits: int) -> tuple[bytes, bytes]:
        made = self._around[before, behind, digits] = self._replies[before, behind].around(digits)
        return made

    def _read(self, head: bytes) -> tuple[int, bool]:
        """How long the body behind a head is, and whether the connection ends with the reply."""
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        self._heads[head] = length, b"connection: close" in lower
        return self._heads[head]


def _replies(capture: Path) -> _Replies:
    replies = {}
    for exchange in load(capture).exchanges:
        assert exchange.request is not None
        assert exchange.reply is not None
        before, _, rest = exchange.request.body.partition(_MARK)
        said, mark, told = exchange.reply.body.partition(_MARK)
        head = http1.without_header(exchange.reply.head, "Content-Length").removesuffix(b"\r\n")
        behind = told[len(told.partition(b"&")[0]) :]
        replies[before, rest.partition(b"&")[2]] = _Ready(head, said + mark, behind)
    return replies


async def _serve(capture: Path) -> None:
    loop = asyncio.get_running_loop()
    replies = _replies(capture)
    heads: dict[bytes, tuple[int, bool]] = {}
    around: _Around = {}
    server = await loop.create_server(lambda: _Canned(replies, heads, around), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def _main() -> Coroutine[Any, Any, None]:
    return _serve(Path(sys.argv[1]))


if __name__ == "__main__":
    run(_main())
