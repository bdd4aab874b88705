"""A comparison in stretches: pieces of both captures that lie beside each other, for captures in nearly the same order.

Law: whoever compares a stretch reads nothing else. What has no counterpart in its stretch, and every push, is handed
back and joined with that of the others, so that what comes together is what comes of reading both from the beginning;
where that is too much, or ids seem to come twice, it is not done so: `NotSharedError`. Where the second capture is cut
hangs on ids that count up, and only speed hangs on where it is cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from qqlab.capture.chunks import Chunk, Reading, cut
from qqlab.capture.ids import Ids, Met, Sealed
from qqlab.capture.places import is_url
from qqlab.capture.share import NotSharedError
from qqlab.diff import Paired, Tally, is_push, tallied
from qqlab.exchange import Exchange
from qqlab.findings.apart import Asked, Piece, spec_of
from qqlab.findings.seen import Seen

SIZE = 16 << 20
MOST_LEFT = 50_000
"""So many exchanges without a counterpart beside them are held at once, of all stretches together."""

_PROBE = 64 << 10
_BEGINNING = b'{"id":"'

_Numbered = list[tuple[int, Exchange]]


class Stretch(NamedTuple):
    """A piece of each capture, and how many exchanges it may hand back."""

    expected: Chunk
    actual: Chunk
    most: int


class Compared(NamedTuple):
    """What came of a stretch: the piece, what is left of each capture, and the ids that it has."""

    piece: Piece
    left: tuple[_Numbered, _Numbered]
    ids: tuple[Sealed, Sealed]
    size: int


def stretches(asked: Asked, number: int) -> list[Stretch] | None:
    """At least so many stretches of both captures, but for very small ones; None where they cannot be cut."""
    wholes = _whole(asked.expected), _whole(asked.actual)
    expected, actual = wholes
    if expected is None or actual is None:
        return None
    length = expected.stop - expected.start
    count = max(number, length // SIZE)
    edges = [expected.start + length * each // count for each in range(1, count)]
    with Path(expected.path).open("rb") as left, Path(actual.path).open("rb") as right:
        beside = [_beside(left, edge, right, actual) for edge in edges]
    if None in beside:
        return None
    others = sorted(edge for edge in beside if edge is not None)
    pieces = zip(_pieces(expected, edges), _pieces(actual, others), strict=True)
    return [Stretch(*pair, max(100, MOST_LEFT // count)) for pair in pieces]


def compare_stretch(asked: Asked, stretch: Stretch) -> Compared | None:
    """Compare a stretch; None where it hands back too much. Raises InputError for what cannot be read."""
    try:
        return _compared(asked, stretch)
    except NotSharedError:
        return None


def joined(compared: Iterable[Compared | None], asked: Asked) -> list[Piece]:
    """The pieces of all stretches, and the one that what they handed back makes. Raises NotSharedError where that is
    not all that there is to say."""
    pieces: list[Piece] = []
    left: tuple[_Numbered, _Numbered] = ([], [])
    met = Met(), Met()
    for one in compared:
        if one is None or sum(map(len, left)) > MOST_LEFT:
            raise NotSharedError
        pieces.append(one.piece)
        for side in (0, 1):
            left[side].extend(one.left[side])
            met[side].add(one.ids[side])
    if any(ids.clash() for ids in met):
        raise NotSharedError
    seen, spec = Seen(spec_of(asked), cases=asked.wants[0], sides=asked.wants[1]), spec_of(asked)
    told = seen.see if seen.wants_anything else None
    first, second = (sorted(side, key=lambda one: one[0]) for side in left)
    tally = tallied(first, second, spec, skipped={}, told=told, apart=True)
    return [*pieces, Piece(tally, seen.kept(), ([], []), frozenset())]


def _compared(asked: Asked, stretch: Stretch) -> Compared:
    spec = spec_of(asked)
    seen = Seen(spec, cases=asked.wants[0], sides=asked.wants[1])
    sides = _Side(stretch.expected, asked, stretch.most), _Side(stretch.actual, asked, stretch.most)

    def aside(pair: Paired) -> None:
        side, exchange = (0, pair.expected) if pair.expected is not None else (1, pair.actual)
        assert exchange is not None
        sides[side].leave(pair.place[1], exchange)

    told = seen.see if seen.wants_anything else None
    tally: Tally = tallied(*sides, spec=spec, skipped={}, told=told, apart=True, aside=aside)
    return Compared(
        Piece(tally, seen.kept(), ([], []), frozenset(sides[0].had | sides[1].had)),
        (sides[0].left, sides[1].left),
        (sides[0].ids.sealed(), sides[1].ids.sealed()),
        stretch.expected.size + stretch.actual.size,
    )


class _Side:
    """A piece of one capture as it is read. `left` is what has no counterpart in it, or is a push, `had` the exchanges
    asked for that it has."""

    def __init__(self, chunk: Chunk, asked: Asked, most: int) -> None:
        self.ids = Ids()
        self.left: _Numbered = []
        self.had: set[str] = set()
        self._reading = Reading(chunk)
        self._only = asked.only
        self._most = most

    def leave(self, number: int, exchange: Exchange) -> None:
        """Hand an exchange back."""
        self.left.append((number, exchange))
        if len(self.left) > self._most:
            raise NotSharedError

    def __iter__(self) -> Iterator[tuple[int, Exchange]]:
        for number, exchange in self._reading:
            if not self.ids.add(exchange.id):
                raise NotSharedError
            if self._only is not None:
                if exchange.id not in self._only:
                    continue
                self.had.add(exchange.id)
            if exchange.request is None and is_push(exchange):
                self.leave(number, exchange)
            else:
                yield number, exchange
        if self._reading.torn is not None:
            raise NotSharedError  # who reads all of it knows in which line


def _whole(path: str) -> Chunk | None:
    """A capture as one chunk, if it is one file of lines that can be read from its middle."""
    if is_url(path):
        return None
    with cut([path]) as [pieces]:
        chunks = [chunk for file in pieces.files for chunk in file.chunks]
        if len(pieces.files) != 1 or pieces.missing or chunks[0].kind != "lines":
            return None
        first, last = chunks[0], chunks[-1]
        return msgspec.structs.replace(first, stop=last.stop, size=last.stop - first.start, last=True)


def _pieces(whole: Chunk, edges: Sequence[int]) -> Iterator[Chunk]:
    bounds = [whole.start, *edges, whole.stop]
    for place, (start, stop) in enumerate(pairwise(bounds)):
        yield msgspec.structs.replace(
            whole, start=start, stop=stop, size=stop - start, first=place == 0, last=place == len(edges)
        )


def _beside(left: BinaryIO, edge: int, right: BinaryIO, other: Chunk) -> int | None:
    """Where in the other capture the id stands that stands behind this edge, or where it would; None where ids are no
    numbers."""
    wanted = _id_behind(left, edge)
    if wanted is None:
        return None
    low, high = other.start, other.stop
    while high - low > _PROBE // 16:
        middle = (low + high) // 2
        found = _id_behind(right, middle)
        if found is None or found >= wanted:
            high = middle
        else:
            low = middle
    return high


def _id_behind(file: BinaryIO, offset: int) -> int | None:
    """The id of the first exchange that begins at an offset or behind it; None where none is seen to, or it is no
    number."""
    file.seek(offset - 1)
    block = file.read(_PROBE)
    begin = block.find(b"\n" + _BEGINNING)
    if begin < 0:
        return None
    first = begin + 1 + len(_BEGINNING)
    digits = block[first : block.find(b'"', first)]
    return int(digits) if digits.isdigit() and len(digits) < 19 else None
