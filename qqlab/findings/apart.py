"""A comparison in parts, each made by whoever reads its share of both captures, and put together as if it were one.

Law: what comes together does not depend on how many parts there were: exchanges go into shares by their ids
(`qqlab.capture.share`), pushes stay together, and all that needs to know of all of it (ids of findings, rules, causes)
is done once, behind. A part says of what it cannot read no more than that: who asked reads it as a whole and says what
is wrong. Here files are read, and nothing is written.
"""

from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from qqlab import spec as specs
from qqlab.capture import Stream, open_capture
from qqlab.capture.share import NotSharedError, Share
from qqlab.diff import Tally, is_push, tallied
from qqlab.diff.stream import Numbered
from qqlab.exchange import Exchange
from qqlab.findings.seen import Kept, Seen
from qqlab.spec import Spec


class Asked(NamedTuple):
    """What is to be compared: the captures, with names that lead there from anywhere; the exchanges to look at, None
    for all; the spec's file, None for the built-in one; and whether cases and sides are wanted."""

    expected: str
    actual: str
    only: frozenset[str] | None
    spec: str | None
    wants: tuple[bool, bool]


class Piece(NamedTuple):
    """What came of one share. `missing` is what could not be read, and `had` which of the exchanges asked for there
    were, of each capture."""

    tally: Tally
    kept: Kept
    missing: tuple[list[str], list[str]]
    had: frozenset[str]


def compare_share(asked: Asked, task: tuple[int, int]) -> Piece | None:
    """Compare the share of that number, of so many. None where a capture cannot be read in shares. Raises InputError
    where it cannot be read at all."""
    number, of = task
    share = Share(number, of, is_push) if of > 1 else None
    try:
        return compare_streams(open_capture(asked.expected), open_capture(asked.actual), asked, share)
    except NotSharedError:
        return None


def compare_streams(expected: Stream, actual: Stream, asked: Asked, share: Share | None = None) -> Piece:
    """Compare two captures that are being read: a share of them, or all."""
    spec = spec_of(asked)
    seen = Seen(spec, cases=asked.wants[0], sides=asked.wants[1])
    had: set[str] = set()
    left, right = (_side(stream, share, asked.only, had) for stream in (expected, actual))
    told = seen.see if seen.wants_anything else None
    tally = tallied(left, right, spec, skipped={}, told=told, apart=share is not None)
    return Piece(tally, seen.kept(), (expected.missing, actual.missing), frozenset(had))


def together(pieces: Iterable[Piece], seen: Seen) -> tuple[Tally, tuple[list[str], list[str]], frozenset[str]]:
    """All pieces as one: what was counted, what is missing, which of the exchanges asked for there were; what is kept
    goes to `seen`."""
    tally, had = Tally(), frozenset[str]()
    missing: tuple[list[str], list[str]] = ([], [])
    for piece in pieces:
        tally.merge(piece.tally)
        seen.merge(piece.kept)
        missing = piece.missing if any(piece.missing) else missing
        had |= piece.had
    return tally, missing, had


def spec_of(asked: Asked) -> Spec:
    """The spec, read once."""
    return _spec(asked.spec)


@lru_cache(1)
def _spec(path: str | None) -> Spec:
    return specs.builtin() if path is None else specs.load(Path(path))


def _side(stream: Stream, share: Share | None, only: Container[str] | None, had: set[str]) -> Numbered:
    """One capture as it is read, once: those of its exchanges that are asked for, or all."""
    numbered = enumerate(stream.exchanges(), 1) if share is None else stream.shared(share)
    return numbered if only is None else _picked(numbered, only, had)


def _picked(numbered: Numbered, only: Container[str], had: set[str]) -> Iterator[tuple[int, Exchange]]:
    for number, exchange in numbered:
        if exchange.id in only:
            had.add(exchange.id)
            yield number, exchange
