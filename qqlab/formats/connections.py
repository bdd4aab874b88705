"""TCP connections put together from segments, and cut into exchanges.

Law: the order of packets changes nothing, within `WINDOW` segments of a connection: they are sorted by their sequence
numbers, and what each side says by what it had heard from the other (its acknowledgements), not by the clock. Bytes
that come twice count once. Bytes that never come are a gap: what was under way ends there, with an error that says how
many are missing, and reading goes on where the next message begins. Memory is bounded: a connection that is over
is given up after `LINGER` more packets, and of more than `MOST` the one that was quiet longest.
"""

import heapq
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from dpkt.tcp import TH_ACK, TH_FIN, TH_RST, TH_SYN

from qqlab import http1
from qqlab.codec import recognise
from qqlab.conversation import Conversation, Paired, Transport
from qqlab.exchange import Exchange, address
from qqlab.formats.mark import Found
from qqlab.formats.packets import Segment
from qqlab.formats.tally import Tally
from qqlab.spec import Spec

WINDOW = 256
WINDOW_BYTES = 1 << 20
LINGER = 1000
MOST = 10_000

_UNENDED = "the packets end before the connection does"
_RESET = "the connection was reset"

End = tuple[str, int]

# A blank line before it is the end of a head, and what follows a body.
_LINE_END = re.compile(rb"[^\r\n]\r?\n")


class _Piece(NamedTuple):
    """Some bytes of one side: where they begin in its stream, when they came, what of the other side was heard.

    `size` counts the bytes that were not caught, too.
    """

    begin: int
    time: datetime
    number: int
    data: bytes
    size: int
    ack: int | None


class _Side:
    """What one end sends. `next` is where in its stream the reading stands, None before it has begun; `begin` where
    its handshake says that it begins; `finished` when it said its last; `size` the bytes that are held."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.begin: int | None = None
        self.finished: datetime | None = None
        self.held: list[_Piece] = []
        self.size = 0
        self._near: int | None = None

    def place(self, sequence: int) -> int:
        """The place in the stream of a sequence number, which counts modulo 2**32."""
        near = (1 << 32) + sequence if self._near is None else self._near
        self._near = near + (sequence - near + (1 << 31)) % (1 << 32) - (1 << 31)
        return self._near

    def synchronise(self, begin: int) -> None:
        """Learn from a handshake where the stream begins."""
        self.begin = begin
        self.next = begin if self.next is None else self.next

    def hold(self, piece: _Piece) -> None:
        """Keep a piece until its turn."""
        heapq.heappush(self.held, piece)
        self.size += len(piece.data)

    def ready(self) -> _Piece | None:
        """The piece that goes on where the reading stands, without what was read before; None where none does."""
        while self.held and self.next is not None and self.held[0].begin <= self.next:
            piece = self.held[0]
            known = self.next - piece.begin
            if known < piece.size:
                return piece._replace(begin=self.next, data=piece.data[known:], size=piece.size - known)
            self._drop()
        return None

    def take(self, piece: _Piece) -> None:
        """Go on behind the piece that was ready."""
        self._drop()
        self.next = piece.begin + piece.size

    def skip(self) -> int:
        """Go on behind a gap before what is held; how many bytes it has."""
        begin, behind = self.next, self.held[0].begin
        self.next = behind
        return behind - (behind if begin is None else begin)

    def _drop(self) -> None:
        self.size -= len(heapq.heappop(self.held).data)


class _Connection:
    """One connection: segments in, exchanges out. `over` is the number of the packet that ended it."""

    def __init__(self, segment: Segment, spec: Spec, tally: Tally) -> None:
        self.over: int | None = None
        self._spec = spec
        self._tally = tally
        self._sides = {segment.source: _Side(), segment.target: _Side()}
        self._other = {segment.source: segment.target, segment.target: segment.source}
        self._client: End | None = None
        self._conversation = Conversation(spec)
        self._transport: Transport | None = None
        self._lost: set[End] = set()
        self._last = segment.time
        self._reset = False
        self._ours = False

    def is_another(self, segment: Segment) -> bool:
        """Whether a segment begins a later connection between the same ends."""
        if not segment.flags & TH_SYN:
            return False
        side = self._sides[segment.source]
        begin = side.place(segment.sequence) + 1
        if side.begin is not None:
            return begin != side.begin
        first = side.held[0].begin if side.held else side.next
        return first is not None and not 0 <= first - begin <= WINDOW_BYTES

    def add(self, segment: Segment, number: int) -> Iterator[Found]:
        """Take a segment; `number` is the packet's."""
        side, other = self._sides[segment.source], self._sides[segment.target]
        begin = side.place(segment.sequence)
        if segment.flags & TH_SYN:
            begin += 1
            side.synchronise(begin)
            self._client = segment.target if segment.flags & TH_ACK else segment.source
        size = len(segment.data) + segment.missing
        if size:
            ack = None if segment.ack is None else other.place(segment.ack)
            side.hold(_Piece(begin, segment.time, number, segment.data, size, ack))
        if segment.flags & TH_FIN:
            side.finished = side.finished or segment.time
        self._reset = self._reset or bool(segment.flags & TH_RST)
        if self.over is None and (self._reset or all(one.finished for one in self._sides.values())):
            self.over = number
        if self._held() > WINDOW or self._size() > WINDOW_BYTES:
            yield from self._read(WINDOW // 2, WINDOW_BYTES // 2)

    def end(self) -> Iterator[Found]:
        """Nothing more comes."""
        yield from self._read(0, 0)
        ended = [side.finished for side in self._sides.values() if side.finished is not None]
        error = _RESET if self._reset else None if ended else _UNENDED
        server = self._sides[self._other[self._which_client()]]
        yield from self._exchanges(self._conversation.end(server.finished or self._last, error))

    def _held(self) -> int:
        return sum(len(side.held) for side in self._sides.values())

    def _size(self) -> int:
        return sum(side.size for side in self._sides.values())

    def _read(self, held: int, size: int) -> Iterator[Found]:
        """Read on until no more than that is held."""
        if self._client is None:
            self._client = self._which_client()
        for source, side in self._sides.items():
            if side.next is None:
                self._begin_without_handshake(source, side)
        while self._held() > held or self._size() > size:
            end = self._next()
            if end is not None:
                yield from self._take(end)
            elif self._held():
                yield from self._gap()

    def _begin_without_handshake(self, end: End, side: _Side) -> None:
        """Read from the first byte that was caught, or that the other side had not heard when it spoke first."""
        acks = [piece.ack for piece in self._sides[self._other[end]].held if piece.ack is not None]
        side.next = min([*acks, *(piece.begin for piece in side.held[:1])], default=None)
        self._lost.add(end)

    def _which_client(self) -> End:
        """The end that asks: by the handshake, by the first bytes, or the one with the higher port."""
        if self._client is not None:
            return self._client
        for end, side in self._sides.items():
            data = side.held[0].data if side.held else b""
            if data.startswith(b"HTTP/"):
                return self._other[end]
            if http1.begins(data.partition(b"\n")[0] + b"\n"):
                return end
        return max(self._sides, key=lambda end: end[1])

    def _next(self) -> End | None:
        """The end whose turn it is: one that has heard what it answers, the earlier of both; None at a gap."""
        ready = {end: piece for end, side in self._sides.items() if (piece := side.ready()) is not None}
        heard = [end for end in ready if self._has_heard(end, ready[end])]
        if not heard and any(side.held for end, side in self._sides.items() if end not in ready):
            return None  # what it has heard is in a gap
        return min(heard or ready, key=lambda end: (ready[end].time, end != self._client), default=None)

    def _has_heard(self, end: End, piece: _Piece) -> bool:
        other = self._sides[self._other[end]]
        return piece.ack is None or other.next is None or other.next >= piece.ack or not other.held

    def _take(self, end: End) -> Iterator[Found]:
        side = self._sides[end]
        piece = side.ready()
        assert piece is not None
        side.take(piece)
        self._last = piece.time
        data = piece.data
        if end in self._lost:
            start = self._start(data)
            data = b"" if start is None else data[start:]
            if len(data) < len(piece.data):
                yield from self._drop(end, len(piece.data) - len(data))
            if start is not None:
                self._lost.discard(end)
        if data:
            feed = self._conversation.from_client if end == self._client else self._conversation.from_server
            yield from self._exchanges(feed(data, piece.time))
        if piece.size > len(piece.data):
            yield from self._lose(end, piece.size - len(piece.data))

    def _gap(self) -> Iterator[Found]:
        """Go on behind the gap before the earliest of what is held and does not go on."""
        waiting = (end for end, side in self._sides.items() if side.held and side.ready() is None)
        end = min(waiting, key=lambda end: self._sides[end].held[0].time)
        yield from self._lose(end, self._sides[end].skip())

    def _lose(self, end: End, size: int) -> Iterator[Found]:
        """Give up what was under way, since bytes of it are missing, and wait for the next message."""
        self._tally.add("gap", "in connections: bytes that no packet holds")
        self._lost.add(end)
        yield from self._give_up(f"{size} bytes of the {self._who(end)} are missing in the packets")

    def _drop(self, end: End, size: int) -> Iterator[Found]:
        """Leave out bytes whose message began in a gap; they may be what was waited for."""
        self._tally.add("byte", "behind gaps that belong to no message: left out", size)
        if self._conversation.transport != "lines":  # a line says itself what it answers
            yield from self._give_up(f"the message that {size} bytes of the {self._who(end)} belong to is not whole")

    def _give_up(self, error: str) -> Iterator[Found]:
        """End what is under way; what comes then is read anew, but is in the same transport."""
        yield from self._exchanges(self._conversation.end(self._last, error))
        if self._conversation.any:
            self._transport = self._conversation.transport
        self._conversation = Conversation(self._spec, self._transport)

    def _who(self, end: End) -> str:
        return "client" if end == self._client else "server"

    def _start(self, data: bytes) -> int | None:
        """Where a message begins in what follows a gap: HTTP where a segment does, lines behind the end of one."""
        if self._transport != "lines" and http1.begins(data.partition(b"\n")[0] + b"\n"):
            return 0
        if self._transport == "tcp":
            return None
        starts = (match.end() for match in _LINE_END.finditer(data))
        return next((at for at in starts if recognise(data[at:].partition(b"\n")[0], self._spec)), None)

    def _exchanges(self, pairs: list[Paired]) -> Iterator[Found]:
        client = self._which_client()
        self._ours = self._ours or self._conversation.ours
        for pair in pairs:
            exchange = Exchange(
                id="",
                session="",
                time=pair.time,
                elapsed=None if pair.elapsed is None else round(pair.elapsed, 6),
                client=address(*client),
                server=address(*self._other[client]),
                transport=self._conversation.transport,
                request=pair.request,
                reply=pair.reply,
                error=pair.error,
                pairing=pair.pairing,
            )
            yield Found(exchange, ours=self._ours)


class Connections:
    """All connections of a capture of packets."""

    def __init__(self, spec: Spec, tally: Tally) -> None:
        self._spec = spec
        self._tally = tally
        self._number = 0
        self._open: dict[frozenset[End], _Connection] = {}
        self._over: deque[tuple[frozenset[End], _Connection]] = deque()

    def add(self, segment: Segment) -> Iterator[Found]:
        """Take the next segment; the exchanges that are complete by now."""
        self._number += 1
        key = frozenset((segment.source, segment.target))
        connection = self._open.get(key)
        if connection is not None and connection.is_another(segment):
            yield from self._end(key, connection)
            connection = None
        if connection is None:
            if len(key) == 1 or not (segment.data or segment.missing or segment.flags & TH_SYN):
                return
            connection = _Connection(segment, self._spec, self._tally)
        self._open.pop(key, None)
        self._open[key] = connection  # the one used last stands last
        was_over = connection.over
        yield from connection.add(segment, self._number)
        if connection.over is not None and was_over is None:
            self._over.append((key, connection))
        yield from self._ended()

    def end(self) -> Iterator[Found]:
        """Nothing more comes."""
        for key, connection in list(self._open.items()):
            yield from self._end(key, connection)

    def _ended(self) -> Iterator[Found]:
        while self._over and (self._over[0][1].over or 0) + LINGER < self._number:
            yield from self._end(*self._over.popleft())
        while len(self._open) > MOST:
            yield from self._end(*next(iter(self._open.items())))

    def _end(self, key: frozenset[End], connection: _Connection) -> Iterator[Found]:
        if self._open.get(key) is connection:
            del self._open[key]
            yield from connection.end()
