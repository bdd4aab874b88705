"""The client's side of one long connection of bare lines: requests one after the other, and what comes unasked.

Law: a request ends within its time and its size, whatever the other side does, and ends as an `Outcome`. What belongs
to which request `qqlab.conversation` says, as it does when recording. Whatever else comes is kept as it came, up to
`MOST_UNASKED` lines or `MOST_BYTES` in them; then the connection is given up.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple, cast

from qqlab import failures
from qqlab.conversation import Conversation, Paired
from qqlab.exchange import Pairing, RawMessage, address
from qqlab.net.outcome import Outcome, Watch, told
from qqlab.spec import Spec

MOST_UNASKED = 10_000
MOST_BYTES = 16 << 20


class Unasked(NamedTuple):
    """A line that nobody asked for; `error` says what is odd about it beside that."""

    reply: RawMessage
    time: datetime
    error: str | None


class Line(asyncio.Protocol):
    """One connection; `limit` is the bytes of a line. `over` tells whether it has ended, `heard` how many bytes have
    come since the last request, `count` how many lines have come unasked, and `size` the bytes in them."""

    def __init__(self, spec: Spec, limit: int) -> None:
        self.over = False
        self.client = ""
        self.count = self.size = 0
        self._limit = limit
        self._conversation = Conversation(spec, "lines")
        self._asked: RawMessage | None = None
        self._answer: Paired | None = None
        self._unasked: list[Unasked] = []
        self._under_way = 0  # bytes of a line that is not complete
        self.heard = 0
        self._failure: str | None = None
        self._changed = asyncio.Event()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.client = address(*transport.get_extra_info("sockname")[:2])

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.over:
            return
        self.heard += len(data)
        self._under_way = self._under_way + len(data) if b"\n" not in data else len(data) - data.rindex(b"\n") - 1
        self._take(self._conversation.from_server(data, datetime.now(UTC)))
        if self._under_way > self._limit:
            self._give_up(failures.say("long", count=self._limit))
        elif self.count > MOST_UNASKED:
            self._give_up(failures.say("flood", count=MOST_UNASKED, things="lines"))
        elif self.size > MOST_BYTES:
            self._give_up(failures.say("flood", count=MOST_BYTES, things="bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end("the connection was closed" if exc is None else told(exc))

    async def send(self, request: RawMessage, timeout: float) -> Outcome:
        """Send a line and wait for what answers it. Without a line end it is the last that is sent."""
        self._asked, self._answer, self.heard = request, None, 0
        time, started = datetime.now(UTC), monotonic()
        data = request.head + request.body + request.end
        if not self.over:
            self._take(self._conversation.from_client(data, time))
            self._transport.write(data)
            if not request.end and self._transport.can_write_eof():
                self._transport.write_eof()
        in_time = await self._until(self._is_answered, timeout)
        self._asked = None
        reply, error, pairing = self._outcome(in_time, timeout)
        return Outcome(
            reply=reply,
            error=error,
            time=time,
            elapsed=round(monotonic() - started, 6),
            client=self.client,
            silent=not in_time and self.heard == 0,
            pairing=pairing,
        )

    async def has_ended(self, timeout: float) -> bool:
        """Whether the connection is over; where its end has come and was not read yet, it is waited for."""
        if not self.over and self._has_end():
            await self._until(lambda: self.over, timeout)
        return self.over

    async def wait(self, count: int, timeout: float) -> bool:
        """Wait until so many lines have come unasked since the beginning; whether they have."""
        return await self._until(lambda: self.over or self.count >= count, timeout) and self.count >= count

    def unasked(self) -> list[Unasked]:
        """The lines that nobody asked for, since the last call."""
        unasked, self._unasked = self._unasked, []
        return unasked

    def close(self) -> None:
        """End the connection."""
        self._end("the connection was closed")
        self._transport.abort()

    def _has_end(self) -> bool:
        number = self._transport.get_extra_info("socket").fileno()
        return Watch(number, end_only=True).has_news()

    def _outcome(self, in_time: bool, timeout: float) -> tuple[RawMessage | None, str | None, Pairing]:
        """The reply and what is wrong with it, or what is wrong without one; and how it was paired."""
        if self._answer is not None and self._answer.reply is not None:
            reply, error = self._answer.reply, self._answer.error
            torn = error is not None and error == self._failure
            where = f"within the body of the reply ({len(reply.body)} bytes came)"
            return reply, self._told(where) if torn else error, self._answer.pairing
        return None, self._told("without a reply") if in_time else failures.say("silent", seconds=f"{timeout:g}"), ""

    def _told(self, where: str) -> str:
        """Why the connection is over, as an exchange says it."""
        reason = self._failure or ""
        return reason if failures.named(reason) is not None else f"{reason} {where}"

    def _is_answered(self) -> bool:
        return self.over or self._answer is not None

    async def _until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for a condition; whether it came about in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        return condition()

    def _take(self, pairs: Iterable[Paired]) -> None:
        for pair in pairs:
            if pair.request is not None and pair.request == self._asked and self._answer is None:
                self._answer = pair
            elif pair.reply is not None:
                late = "the reply to a request that was given up" if pair.request is not None else None
                self._unasked.append(Unasked(pair.reply, pair.time, pair.error or late))
                self.count += 1
                self.size += len(pair.reply.head) + len(pair.reply.body)
        self._changed.set()

    def _give_up(self, reason: str) -> None:
        self._end(reason)
        self._transport.abort()

    def _end(self, reason: str) -> None:
        if not self.over:
            self.over, self._failure = True, reason
            self._take(self._conversation.end(datetime.now(UTC), reason))
