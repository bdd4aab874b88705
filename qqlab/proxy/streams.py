"""One relayed TCP connection as exchanges: both directions cut into messages and paired in order.

Law: no I/O and no clock; the caller says when. A connection whose bytes are no HTTP, or no requests of this
protocol, yields nothing. What had begun when the connection ended is kept, with the reason.
"""

from collections import deque
from datetime import datetime
from typing import NamedTuple

from qqlab.exchange import RawMessage
from qqlab.http1 import Reader


class Paired(NamedTuple):
    """A request and what became of it; `elapsed` in seconds, None without a reply."""

    request: RawMessage
    reply: RawMessage | None
    time: datetime
    elapsed: float | None
    error: str | None


class Conversation:
    """Fed with what each side sent; gives back exchanges as they become complete.

    `any` tells whether a request was seen at all.
    """

    def __init__(self) -> None:
        self._requests = Reader("request")
        self._replies = Reader("reply")
        self._waiting: deque[tuple[RawMessage, datetime]] = deque()
        self._last = datetime.min
        self.any = False

    def from_client(self, data: bytes, now: datetime) -> None:
        """Bytes that the client sent."""
        self._last = now
        for message in self._requests.feed(data):
            self._ask(message, now)

    def from_server(self, data: bytes, now: datetime) -> list[Paired]:
        """Bytes that the server sent, and the exchanges that they complete."""
        # A request without a length is complete once somebody answers it.
        if not self._waiting and (message := self._requests.flush()) is not None:
            self._ask(message, self._last)
        return self._pair(self._replies.feed(data), now)

    def end(self, now: datetime, error: str | None = None) -> list[Paired]:
        """The connection is over: what was still open, with the reason where something is missing."""
        if (message := self._requests.flush()) is not None:
            self._ask(message, self._last)
        last = self._replies.flush()
        pairs = self._pair([last] if last is not None else [], now, error)
        reason = error or self._replies.broken or "the connection ended before the reply"
        pairs.extend(Paired(request, None, time, None, reason) for request, time in self._waiting)
        self._waiting.clear()
        return pairs

    def _ask(self, request: RawMessage, time: datetime) -> None:
        self._waiting.append((request, time))
        self.any = True

    def _pair(self, replies: list[RawMessage], now: datetime, error: str | None = None) -> list[Paired]:
        pairs = []
        for reply in replies:
            if reply.head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
                continue  # an interim answer such as 100 Continue: the reply proper is still to come
            if not self._waiting:
                break
            request, time = self._waiting.popleft()
            pairs.append(Paired(request, reply, time, (now - time).total_seconds(), error))
        return pairs
