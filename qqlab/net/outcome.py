"""What came of a request, and the words for it.

Law: one shape for all ways to send; what went wrong is one line (`qqlab.failures`) without a byte of what came.
"""

import asyncio
import os
import select
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from qqlab import failures
from qqlab.exchange import Pairing, RawMessage

_P = TypeVar("_P", bound=asyncio.Protocol)

WITHOUT = "without a reply"
PAUSE = 0.05  # seconds before a connection is tried again; each time twice as long
# The other side's end, without what it sent before; not every system tells.
_END = getattr(select, "POLLRDHUP", select.POLLHUP)


class Outcome(msgspec.Struct, frozen=True, gc=False):
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


async def connect(addresses: list[tuple[str, int]], make: Callable[[], _P]) -> _P:
    """Connect to the first address that can be; it comes first from then on. Raises OSError of the last."""
    failure = OSError("no address")
    loop = asyncio.get_running_loop()
    for candidate in list(addresses):
        try:
            _, protocol = await loop.create_connection(make, *candidate)
        except OSError as error:
            failure = error
            continue
        if addresses[0] != candidate:
            addresses.remove(candidate)
            addresses.insert(0, candidate)
        return protocol
    raise failure


class Watch:
    """Asks the system whether something has come over a connection that the event loop has not told of yet: what must
    not be sent twice must not be lost with an end that is there already."""

    def __init__(self, number: int, *, end_only: bool) -> None:
        """`number` is that of a socket. `end_only`: bytes may come at any time, only the end counts."""
        self._poll = select.poll()
        self._poll.register(number, _END if end_only else select.POLLIN)

    def has_news(self) -> bool:
        """Whether there is something."""
        return bool(self._poll.poll(0))


def unconnected(why: OSError | float) -> str:
    """What is said where no connection came about: the system's words, or the seconds that were over."""
    if isinstance(why, ConnectionRefusedError):
        return failures.say("refused")
    return failures.say("unreachable", how=f": {told(why)}" if isinstance(why, OSError) else f" within {why:g} s")


def ended(failure: Exception | None, where: str) -> str:
    """What is said of a connection that ended where it should not: closed, or by a failure."""
    if failure is not None:
        return failures.say("reset", how=told(failure), where=where)
    return failures.say("closed") if where == WITHOUT else failures.say("cut", where=where)


def told(error: Exception) -> str:
    """The system's words for a failure, in one line."""
    number = error.errno if isinstance(error, OSError) else None
    text = os.strerror(number) if number is not None and number > 0 else str(error) or type(error).__name__
    return text.lower()
