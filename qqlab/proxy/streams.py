"""One relayed TCP connection as exchanges: both directions cut into messages and paired in order.

Law: no I/O and no clock; the caller says when. The sizes of the pieces change nothing. What had begun when the
connection ended, and what cannot be read as HTTP, is kept with the reason as its error; only what is no message
at all makes no exchange, and `lost` tells of it where the connection spoke HTTP otherwise.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from qqlab import http1
from qqlab.exchange import RawMessage
from qqlab.http1 import Reader

_NO_REPLY = "the connection ended before the reply"
_TORN_REPLY = "the connection ended before the reply was complete"
_TORN_REQUEST = "the connection ended before the request was complete"
_SURPLUS = "bytes behind the last reply are no reply"
_SWITCHING = 101


class Paired(NamedTuple):
    """A request and what became of it; `elapsed` in seconds, None without a reply."""

    request: RawMessage
    reply: RawMessage | None
    time: datetime
    elapsed: float | None
    error: str | None


class _Asked(NamedTuple):
    """A request that waits for its reply; `error` tells what is wrong with the request itself."""

    request: RawMessage
    time: datetime
    error: str | None


class Conversation:
    """Fed with what each side sent; gives back exchanges as they become complete.

    `any` tells whether a request was seen at all. `lost` says why some bytes of a connection with HTTP on it are in
    no exchange, None where all are.
    """

    def __init__(self) -> None:
        self._requests = Reader("request")
        self._replies = Reader("reply")
        self._waiting: deque[_Asked] = deque()
        # A server may answer before it has read all of the request: one reply may wait, for the request under way.
        self._early: tuple[RawMessage, datetime] | None = None
        self._last = datetime.min
        self.any = False
        self.lost: str | None = None

    def from_client(self, data: bytes, now: datetime) -> list[Paired]:
        """Bytes that the client sent, and the exchanges that they complete."""
        self._last = now
        pairs = [pair for message in self._requests.feed(data) for pair in self._ask(message)]
        if self._requests.broken is not None and (part := self._requests.flush()) is not None:
            pairs.extend(self._ask(part, self._requests.broken))
        pairs.extend(self._give_up(now))
        return pairs

    def from_server(self, data: bytes, now: datetime) -> list[Paired]:
        """Bytes that the server sent, and the exchanges that they complete."""
        sound = self._replies.broken is None
        pairs = [pair for reply in self._replies.feed(data) for pair in self._answer(reply, now)]
        if sound and self.any and not self._waiting and not self._requests.pending:
            self.lost = self._replies.broken or self.lost
        pairs.extend(self._give_up(now))
        return pairs

    def end(self, now: datetime, error: str | None = None) -> list[Paired]:
        """The connection is over: what was still open, with the reason where something is missing."""
        pairs: list[Paired] = []
        torn = None if self._requests.open_ended else _TORN_REQUEST
        if (request := self._requests.flush()) is not None:
            pairs.extend(self._ask(request, error or torn))
        elif self._early is not None or (self.any and (self._requests.broken or self._requests.pending)):
            self.lost = self._requests.broken or _TORN_REQUEST
        torn = None if self._replies.open_ended else _TORN_REPLY
        if (reply := self._replies.flush()) is not None:
            pairs.extend(self._answer(reply, now, error or self._replies.broken or torn))
        elif self.any and not self._waiting and self._replies.pending:
            self.lost = _SURPLUS
        reason = error or self._replies.broken or _NO_REPLY
        while self._waiting:
            pairs.append(self._pair(None, now, reason))
        return pairs

    def _ask(self, request: RawMessage, error: str | None = None) -> Iterator[Paired]:
        self._waiting.append(_Asked(request, self._last, error))
        self.any = True
        if self._early is not None:
            (reply, time), self._early = self._early, None
            yield self._pair(reply, time, None)

    def _answer(self, reply: RawMessage, now: datetime, error: str | None = None) -> Iterator[Paired]:
        code = http1.status(reply)
        if code is not None and code < http1.OK and code != _SWITCHING:
            return  # an interim answer such as 100 Continue: the reply proper is still to come
        # A request without a length is complete once somebody has answered it.
        if not self._waiting and self._requests.open_ended and (request := self._requests.flush()) is not None:
            yield from self._ask(request)
        if self._waiting:
            yield self._pair(reply, now, error)
        elif self._early is None and self._requests.pending:
            self._early = reply, now
        else:
            self.lost = "a reply belongs to no request"

    def _give_up(self, now: datetime) -> Iterator[Paired]:
        """Where no more replies can be read, the requests get what there is of one, and the reason."""
        if self._replies.broken is None:
            return
        while self._waiting:
            yield self._pair(self._replies.flush(), now, self._replies.broken)

    def _pair(self, reply: RawMessage | None, now: datetime, error: str | None) -> Paired:
        request, time, wrong = self._waiting.popleft()
        elapsed = None if reply is None else max(0.0, (now - time).total_seconds())
        return Paired(request, reply, time, elapsed, wrong or error)
