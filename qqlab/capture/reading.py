"""Reading captures: one exchange after the other, or all at once.

Law: nothing is held but the exchange at hand and the ids that were seen, so that a capture may be as long as it likes.
Damage is named by file and line. What is missing (a torn last line, a segment that is not there) is never passed over
quietly: it is in `missing` when the reading is over.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qqlab.capture import segments, source
from qqlab.capture.file import Header, parse_header, parse_line
from qqlab.capture.source import Line
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.spec import Spec, builtin

if TYPE_CHECKING:
    import pandas as pd


class Located(NamedTuple):
    """An exchange and where it stands: `FILE:LINE`."""

    exchange: Exchange
    where: str


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded capture.

    `torn` is one line about what is missing (a last line that was cut off and skipped, a segment that is not there),
    None where all is whole. `segments` are the numbers of the recording's segments that are in it.
    """

    header: Header
    exchanges: tuple[Exchange, ...]
    path: str
    torn: str | None = None
    segments: tuple[int, ...] = (1,)

    @property
    def name(self) -> str:
        """The file's name without its endings: short, and the same wherever the file lies."""
        path = Path(self.path)
        return (path.with_suffix("") if path.suffix == segments.COMPRESSED else path).stem

    def frame(self, spec: Spec | None = None) -> "pd.DataFrame":
        """The exchanges as a pandas frame, one row each, indexed by id; `qqlab.capture.frame` documents its columns."""
        # pandas takes four times as long to import as all of the command line; who asks for no frame need not wait.
        from qqlab.capture import frame  # noqa: PLC0415

        return frame.frame(self.exchanges, spec or builtin())


class Part:
    """One file of a capture, being read: its header, known at once, and then its exchanges, once.

    `version` is the format's version it was written in. When the exchanges are through, `torn` is one line about a
    last line that was cut off and skipped, None where there is none, `size` the bytes up to there, decompressed, and
    `ended` whether the last exchange's line had its end.
    """

    def __init__(self, lines: Iterator[Line], where: str) -> None:
        self.where = where
        self._lines = lines
        first = next(self._lines, None)
        if first is None or not first.data.strip():
            raise InputError(self.where, "is empty", "a capture begins with a header line")
        self.header, self.version = parse_header(first.data, self.where)
        self.torn: str | None = None
        self.ended = first.ended
        self.size = len(first.data) + first.ended

    def __iter__(self) -> Iterator[Located]:
        for line in self._lines:
            where = f"{self.where}:{line.number}"
            try:
                found = Located(parse_line(line.data, where), where) if line.data.strip() else None
            except InputError:
                # A last line without its end is what a crash leaves, unless somebody's editor just dropped the end.
                if line.ended:
                    raise
                self.torn = f"{where}: the last line is cut off and was skipped ({len(line.data)} bytes)"
                return
            self.ended = line.ended
            self.size += len(line.data) + line.ended
            if found is not None:
                yield found


class Stream:
    """A capture being read: `header` and `path` are known at once; iterating gives its exchanges in order, once.

    `segments` are the numbers of the segments that are read. When the reading is over, `missing` holds one line about
    each thing that is not there.
    """

    def __init__(self, part: Part, earlier: Sequence[Path], missing: Sequence[str]) -> None:
        self.path = part.where
        self.header = part.header
        self.missing = list(missing)
        self._part = part
        self._earlier = earlier
        self.segments = tuple(n for n in (*map(segments.number_in, earlier), part.header.segment) if n is not None)

    def __iter__(self) -> Iterator[Located]:
        seen: set[str] = set()
        for part in self._parts():
            for located in part:
                identifier = located.exchange.id
                if identifier in seen:
                    raise InputError(located.where, f"an earlier exchange has the id {identifier!r} already")
                seen.add(identifier)
                yield located
            if part.torn is not None:
                self.missing.append(part.torn)

    def _parts(self) -> Iterator[Part]:
        for path in self._earlier:
            yield open_part(path)
        yield self._part


def open_part(path: Path | str) -> Part:
    """Begin to read one file, whatever stands beside it. Raises InputError as `open_capture` does."""
    return Part(source.lines(path), source.name(path))


def open_capture(path: Path | str) -> Stream:
    """Begin to read a capture; `-` is standard input. A recording's name stands for all its segments.

    Raises InputError, at once or from the iteration, naming the line, for a file that cannot be read, is no capture,
    is of a newer version, or is damaged anywhere but in a torn last line.
    """
    part = open_part(path)
    if part.where == source.STDIN or segments.number_in(Path(path)) == part.header.segment:
        return Stream(part, (), ())
    found = [(number, _find(Path(path), part.header, number)) for number in range(1, part.header.segment)]
    return Stream(
        part,
        [earlier for _, earlier in found if earlier is not None],
        [_gap(part.where, number) for number, earlier in found if earlier is None],
    )


def _find(live: Path, head: Header, number: int) -> Path | None:
    """The finished segment of this number beside the live file whose header this is, or None."""
    wanted = (head.recording, number)
    for path in segments.beside(live, number):
        found = open_part(path).header
        if (found.recording, found.segment) == wanted:
            return path
    return None


def _gap(where: str, number: int) -> str:
    return f"{where}: segment {number} of this recording does not stand beside it"


def load(path: Path | str) -> Capture:
    """Read a whole capture into memory. Takes and raises what `open_capture` does."""
    return _loaded(open_capture(path))


def parse(data: bytes, where: str) -> Capture:
    """Read a capture from its bytes; `where` stands in errors. Raises as `load` does."""
    return _loaded(Stream(Part(source.lines_of(data, where), where), (), ()))


def _loaded(stream: Stream) -> Capture:
    exchanges = tuple(located.exchange for located in stream)
    return Capture(
        header=stream.header,
        exchanges=exchanges,
        path=stream.path,
        torn="; ".join(stream.missing) or None,
        segments=stream.segments,
    )
