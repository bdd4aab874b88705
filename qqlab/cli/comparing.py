"""Who compares two captures for the command line: this process, several, or a cluster.

Law: the pieces that come of it are the same comparison, however many there are. What a worker cannot read is read here
from the beginning, which says what is wrong and in which line; where it is nothing, only the worker cannot, and that is
said.
"""

from collections.abc import Sequence
from functools import partial

from qqlab.capture import Stream
from qqlab.capture.places import is_url, place
from qqlab.capture.share import NotSharedError
from qqlab.cli.engines import gauge
from qqlab.engine import Engine, opened, processors
from qqlab.errors import InputError
from qqlab.findings.apart import Asked, Piece, compare_share, compare_streams
from qqlab.findings.stretches import Compared, compare_stretch, joined, stretches

_SHARED = "all must find the captures, and the spec, under the same paths"


def compared(sides: tuple[Stream, Stream], asked: Asked, workers: int | None, cluster: str | None) -> Sequence[Piece]:
    """The comparison of two captures, which are open: in one piece, unless there are several to do it. Raises
    InputError for what cannot be read."""
    if cluster is None and (workers or 1) == 1:
        return [compare_streams(*sides, asked)]
    try:
        with opened(workers or processors(), cluster) as engine:
            return _apart(engine, asked)
    except NotSharedError:
        return [compare_streams(*sides, asked)]
    except InputError as error:
        compare_streams(*sides, asked)
        raise InputError(error.where, f"a worker cannot read it: {error.what}", _SHARED) from error


def _apart(engine: Engine, asked: Asked) -> Sequence[Piece]:
    elsewhere = asked._replace(
        expected=anywhere(asked.expected),
        actual=anywhere(asked.actual),
        spec=None if asked.spec is None else anywhere(asked.spec),
    )
    try:
        return _in_stretches(engine, elsewhere)
    except NotSharedError:
        return _in_shares(engine, elsewhere, asked)


def _in_stretches(engine: Engine, asked: Asked) -> Sequence[Piece]:
    pieces = stretches(asked, engine.workers)
    if pieces is None:
        raise NotSharedError
    with gauge(sum(one.expected.size + one.actual.size for one in pieces)) as told:

        def tell(done: Compared | None) -> None:
            if done is not None:
                told(done.size, done.piece.tally.compared)

        return joined(engine.run(partial(compare_stretch, asked), pieces, tell), asked)


def _in_shares(engine: Engine, asked: Asked, given: Asked) -> Sequence[Piece]:
    shares = [(number, engine.workers) for number in range(engine.workers)]
    pieces = [piece for piece in engine.run(partial(compare_share, asked), shares) if piece is not None]
    if len(pieces) < len(shares):
        raise NotSharedError
    # Workers name files by their whole paths.
    names = (asked.expected, given.expected), (asked.actual, given.actual)
    expected, actual = (
        [line.replace(*name) for line in lines] for lines, name in zip(pieces[0].missing, names, strict=True)
    )
    return [piece._replace(missing=(expected, actual)) for piece in pieces]


def anywhere(path: str) -> str:
    """A path that leads there from any directory."""
    return path if is_url(path) or path == "-" else str(place(path).absolute())
