"""The server behind the proxies that are measured: canned replies, as fast as Python gives them.

Law: it answers each request with what the demonstration's server answered to it, and does nothing else, so that what is
measured is the proxy. It prints its port and serves until its input ends.
"""

import asyncio
import sys

from talk import Around, parted, talk

_END = b"\r\n\r\n"


def _packed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


class _Origin(asyncio.Protocol):
    """One connection, kept alive as long as the client keeps it."""

    def __init__(self, replies: dict[Around, Around]) -> None:
        self._replies = replies
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(_END)
            if not end:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            request, sequence = parted(rest[:length])
            self._transport.write(_packed(self._replies[request].body(sequence)))
            self._buffer = rest[length:]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    replies = talk()
    server = await loop.create_server(lambda: _Origin(replies), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
