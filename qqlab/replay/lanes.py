"""What has to stay in order: lanes, and the connections within them.

Law: pure, and linear in the number of exchanges. A lane is all that went over one connection together with all that
one client did for one account: clients of this protocol opened a connection for each request, so that connections
alone would tear a login from what follows it.
"""

from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

import msgspec

from qqlab import http1
from qqlab.exchange import Exchange
from qqlab.replay.schedule import Span


class Lane(msgspec.Struct, frozen=True):
    """What has to stay in order.

    `name` is the session that it begins with, `accounts` are those that log in or ask in it, `steps` is how many
    requests it has, `connections` over how many recorded connections they went. Lanes of one `group` have to do with
    each other, directly or through others; groups can be replayed apart from each other.
    """

    number: int
    name: str
    accounts: tuple[str, ...]
    steps: int
    connections: int
    group: int


class Union:
    """Things that belong together because some pair of them does."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def find(self, one: Hashable) -> Hashable:
        """What stands for all that this one belongs to."""
        top = self._parent.setdefault(one, one)
        while top != self._parent[top]:
            top = self._parent[top]
        while one != top:
            self._parent[one], one = top, self._parent[one]
        return top

    def join(self, one: Hashable, other: Hashable) -> None:
        """Two belong together."""
        first, second = self.find(one), self.find(other)
        if first != second:
            self._parent[second] = first


class _Last(msgspec.Struct, frozen=True, gc=False):
    """The last exchange from a client's port, and how many connections from there had ended before."""

    count: int
    exchange: Exchange


def connections(exchanges: Iterable[Exchange]) -> list[str | None]:
    """The name of the connection that each exchange went over; None where nobody knows, which is a connection of its
    own. A client's port that comes again after its connection was closed is another connection."""
    names: list[str | None] = []
    last: dict[str, _Last] = {}
    for exchange in exchanges:
        name = exchange.client
        if exchange.transport == "lines":
            names.append(line(exchange))
            continue
        if not name or exchange.request is None:
            names.append(exchange.session if exchange.request is not None and wants_kept(exchange) else None)
            continue
        before = last.get(name)
        count = 0 if before is None else before.count + ended(before.exchange)
        full = name if not count else f"{name}#{count + 1}"
        last[name] = _Last(count, exchange)
        names.append(full)
    return names


def line(exchange: Exchange) -> str | None:
    """The long connection that an exchange went over as a bare line, None where it was none."""
    return (exchange.client or exchange.session) if exchange.transport == "lines" else None


def wants_kept(exchange: Exchange) -> bool:
    """Whether the client asked, in words, for its connection to be kept."""
    return exchange.request is not None and "keep-alive" in _connection(exchange.request.head)[0]


def ended(exchange: Exchange) -> bool:
    """Whether the connection was surely over after an exchange of HTTP."""
    if exchange.reply is None or exchange.request is None:
        return True
    return _ends(exchange.request.head) or _ends(exchange.reply.head)


@lru_cache(1024)
def _ends(head: bytes) -> bool:
    said, old = _connection(head)
    return "close" in said or (old and "keep-alive" not in said)


@lru_cache(1024)
def _connection(head: bytes) -> tuple[str, bool]:
    """What a head says of its connection, in lower case, and whether it is of a time when none was kept unasked."""
    parsed = http1.parse_head(head)
    return (parsed.get("connection") or "").lower(), "HTTP/1.0" in parsed.start or not head


def lanes(exchanges: Sequence[Exchange], connected: Sequence[str | None]) -> list[int]:
    """The number of each exchange's lane, counted from 0 in the order of their first exchanges."""
    union, first = Union(), dict[str, str]()
    sessions = [exchange.session for exchange in exchanges]
    for session, connection in zip(sessions, connected, strict=True):
        if connection is not None and (other := first.setdefault(connection, session)) != session:
            union.join(other, session)
    numbers: dict[Hashable, int] = {}
    lane_of = {one: numbers.setdefault(union.find(one), len(numbers)) for one in dict.fromkeys(sessions)}
    return [lane_of[session] for session in sessions]


def at_once(numbers: Iterable[int], spans: Iterable[Span]) -> int:
    """The most lanes that were under way together: each from where it began to where it ended."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for number, span in zip(numbers, spans, strict=True):
        begin, end = span.begin, span.end
        if begin < first.setdefault(number, begin):
            first[number] = begin
        if end > last.setdefault(number, end):
            last[number] = end
    ends = sorted(last.values())
    most = over = 0
    for begun, begin in enumerate(sorted(first.values()), 1):
        while ends[over] < begin:
            over += 1
        most = max(most, begun - over)
    return most
