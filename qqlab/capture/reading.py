"""Reading captures: one exchange after the other, or all at once.

Law: nothing is held but the exchanges of a small piece of the file and the ids that were seen, so that a capture may be
as long as it likes. Damage is named by file and line. What is missing (a torn last line, a segment that is not there)
is never passed over quietly: it is in `missing` when the reading is over.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qqlab.capture import segments, source
from qqlab.capture.file import Header, held_once, parse_header, parse_line, parse_lines
from qqlab.capture.manifest import is_dataset, not_whole
from qqlab.capture.places import place
from qqlab.capture.share import Met, NotSharedError, Share, candidates
from qqlab.capture.source import Line, Lines, Piece
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.spec import Spec, builtin

# A file has fewer lines than that.
_PART = 40

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

    def fields_frame(self, spec: Spec | None = None) -> "pd.DataFrame":
        """The fields of all messages as a pandas frame, one row each; `qqlab.capture.frame` documents its columns."""
        from qqlab.capture import frame  # noqa: PLC0415

        return frame.fields_frame(self.exchanges, spec or builtin())

    def rows_frame(self, spec: Spec | None = None) -> "pd.DataFrame":
        """The friends, messages and other rows of all replies as a pandas frame, one row each; `qqlab.capture.frame`
        documents its columns."""
        from qqlab.capture import frame  # noqa: PLC0415

        return frame.rows_frame(self.exchanges, spec or builtin())


class Part:
    """One file of a capture, being read: its header, known at once, and then its exchanges, once.

    `version` is the format's version it was written in, `first_line` the header as it is written there, `lines` what
    follows it, unread. When the exchanges
    are through, `torn` is one line about a last line that was cut off and skipped, None where there is none, `size`
    the bytes up to there, decompressed, and `ended` whether the last exchange's line had its end.
    """

    def __init__(self, lines: Lines, where: str) -> None:
        self.where = where
        self.lines: Iterable[Line] = lines
        self._lines = lines
        first = lines.first()
        if first is not None and not first.whole:
            raise source.too_long(first, where)
        if first is None or not first.data.strip():
            raise InputError(self.where, "is empty", "a capture begins with a header line")
        self.header, self.version = parse_header(first.data, self.where)
        self.first_line = first.data.decode()
        self.torn: str | None = None
        self.ended = first.ended
        self.size = len(first.data) + first.ended

    def __iter__(self) -> Iterator[Located]:
        for exchange, number in self.numbered():
            yield Located(exchange, f"{self.where}:{number}")

    def numbered(self) -> Iterator[tuple[Exchange, int]]:
        """The exchanges, each with the number of its line: the same reading for who asks for no place."""
        for numbers, exchanges in self.batches():
            yield from zip(exchanges, numbers, strict=True)

    def batches(self) -> Iterator[tuple[Sequence[int], Sequence[Exchange]]]:
        """The exchanges some at a time, with the numbers of their lines: the same reading in less time."""
        number = 2
        for piece in self._lines.pieces():
            found = parse_lines(piece.data) if piece.ended else None
            if found is None:
                number = yield from self._one_by_one(piece, number)
                continue
            self.size += len(piece.data)
            self.ended = True
            yield range(number, number + len(found)), found
            number += len(found)

    def _one_by_one(self, piece: Piece, number: int) -> Generator[tuple[Sequence[int], Sequence[Exchange]], None, int]:
        """The exchanges in lines of which not each has one; gives the number of the line that follows."""
        for line in source.each_line(piece, number):
            if not line.whole:
                raise source.too_long(line, self.where)
            try:
                found = [parse_line(line.data, self.where, line.number)] if line.data.strip() else []
            except InputError:
                # A last line without its end is what a crash leaves, unless an editor just dropped the end.
                if line.ended:
                    raise
                self.torn = cut_off(f"{self.where}:{line.number}", len(line.data))
                break
            number = line.number + 1
            self.ended = line.ended
            self.size += len(line.data) + line.ended
            if found:
                yield (line.number,), found
        return number

    def shared(self, share: Share) -> Iterator[tuple[int, Exchange, bytes | None]]:
        """The exchanges that are of a share, and some that may be, each with the number of its line and the id that it
        had at first sight; the file is read anew, and `size` and `ended` stay as they are."""
        for number, data, ended, identifier in candidates(source.blocks(self.where), self.where, share):
            if data[:1] != b"{" and not data.strip():
                continue
            try:
                exchange = parse_line(data, self.where, number)
            except InputError:
                if ended:
                    raise
                self.torn = cut_off(f"{self.where}:{number}", len(data))
                return
            yield number, exchange, identifier


class Gap(NamedTuple):
    """Segments that are missing, from the first to the last of them, or one that cannot be read, with the error."""

    first: int
    last: int
    error: InputError | None = None

    def __str__(self) -> str:
        return f"segment {self.first}" + (f" to {self.last}" if self.last > self.first else "")


class Seen:
    """Ids that were seen: in little room where they count up, as those of recordings do, however many there are.

    `held` counts the others, which stand by themselves.
    """

    def __init__(self) -> None:
        self._others: set[str] = set()
        self._first = self._number = 0
        self._next: str | None = None  # the id of that number, once there is one

    @property
    def held(self) -> int:
        """How many ids stand by themselves."""
        return len(self._others)

    def add(self, identifier: str) -> bool:
        """Take note of an id; whether it is a new one."""
        if identifier == self._next:
            self._count_up()
            return True
        if identifier in self._others or self._counted(identifier):
            return False
        if self._next is None and _is_number(identifier):
            self._first = self._number = int(identifier)
            self._count_up()
        else:
            self._others.add(identifier)
        return True

    def add_all(self, identifiers: list[str]) -> int:
        """Take note of ids; how many of them come before one that is no new one."""
        after = self._number + len(identifiers)
        if not self._others and self._next and identifiers == [*map(str, range(self._number, after))]:
            self._number, self._next = after, str(after)
            return len(identifiers)
        return next((at for at, one in enumerate(identifiers) if not self.add(one)), len(identifiers))

    def _count_up(self) -> None:
        self._number += 1
        self._next = str(self._number)
        while self._others and self._next in self._others:
            self._others.remove(self._next)
            self._number += 1
            self._next = str(self._number)

    def _counted(self, identifier: str) -> bool:
        return _is_number(identifier) and self._first <= int(identifier) < self._number


def _is_number(identifier: str) -> bool:
    """Whether an id is a number as it is written."""
    return identifier.isascii() and identifier.isdigit() and len(identifier) < 19 and str(int(identifier)) == identifier


class Stream:
    """A capture being read: `header` and `path` are known at once; iterating gives its exchanges in order, once.

    When the reading is over, `segments` are the numbers of the segments that were read, and `missing` holds one line
    about each thing that is not there.
    """

    def __init__(self, part: Part, live: Path | None = None) -> None:
        self.path = part.where
        self.header = part.header
        self.segments: list[int] = []
        self.missing: list[str] = []
        self._part = part
        self._live = live

    def __iter__(self) -> Iterator[Located]:
        for part, numbers, exchanges in self._batches():
            for exchange, number in zip(exchanges, numbers, strict=True):
                yield Located(exchange, f"{part.where}:{number}")

    def exchanges(self) -> Iterator[Exchange]:
        """The exchanges without their places: the same reading, in less time."""
        for _, _, exchanges in self._batches():
            yield from exchanges

    def _batches(self) -> Iterator[tuple[Part, Sequence[int], Sequence[Exchange]]]:
        """The exchanges of each file, some at a time, up to one whose id an earlier one has."""
        seen = Seen()
        for part in self._readable():
            for numbers, exchanges in part.batches():
                fresh = seen.add_all([exchange.id for exchange in exchanges])
                if fresh < len(exchanges):
                    yield part, numbers[:fresh], exchanges[:fresh]
                    raise twice(part, numbers[fresh], exchanges[fresh])
                yield part, numbers, exchanges

    def shared(self, share: Share) -> Iterator[tuple[int, Exchange]]:
        """The exchanges of a share, each with a number that grows along the capture.

        Raises NotSharedError where an id seems to come twice, or a line is not what it looked like, and what the
        iteration raises.
        """
        met, mine = Met(share), share.number
        for above, part in enumerate(self._readable()):
            for number, exchange, looked in part.shared(share):
                identifier = exchange.id.encode("utf-8", "surrogatepass")
                if looked is not None:
                    # Our own at first sight: it must be so.
                    if looked != identifier or (exchange.request is None and share.unasked(exchange) and mine):
                        raise NotSharedError
                    owner = goes_to = mine
                else:
                    owner = share.by_id(identifier)
                    goes_to = 0 if share.unasked(exchange) else owner
                if owner == mine and not met.add(identifier):
                    raise NotSharedError
                if goes_to == mine:
                    yield (above << _PART) + number, exchange

    def whole_parts(self) -> Iterator[Part]:
        """The files of the capture in order, to be read in any way; what is missing between them is noted."""
        for part in self.parts():
            if isinstance(part, Gap):
                if part.error is not None:
                    raise part.error
                self.missing.append(self.is_absent(part))
            else:
                yield part

    def _readable(self) -> Iterator[Part]:
        """The files of the capture in order; what is missing is noted, of each file once it is through."""
        for part in self.whole_parts():
            yield part
            self.segments.append(part.header.segment)
            if part.torn is not None:
                self.missing.append(part.torn)

    def is_absent(self, gap: Gap) -> str:
        """The line about segments that are not there."""
        return f"{self.path}: {gap} of this recording does not stand beside it"

    def parts(self) -> Iterator[Part | Gap]:
        """The files of the capture in order, and what is missing between them; once."""
        expected = 1
        for number in self._present():
            try:
                part = find_segment(self._live, self.header, number) if self._live is not None else None
            except InputError as error:
                yield Gap(number, number, error)
                expected = number + 1
                continue
            if part is not None:
                if number > expected:
                    yield Gap(expected, number - 1)
                yield part
                expected = number + 1
        if self._live is not None and self.header.segment > expected:
            yield Gap(expected, self.header.segment - 1)
        yield self._part

    def _present(self) -> list[int]:
        """The numbers of the segments that may stand beside the file that was named."""
        found = () if self._live is None else map(segments.number_in, segments.present(self._live))
        return sorted({number for number in found if number is not None and 0 < number < self.header.segment})


def cut_off(where: str, size: int) -> str:
    """The line about a last line that was cut off."""
    return f"{where}: the last line is cut off and was skipped ({size} bytes)"


def twice(part: Part, number: int, exchange: Exchange) -> InputError:
    """The error for an id that an earlier exchange has."""
    return InputError(f"{part.where}:{number}", f"an earlier exchange has the id {exchange.id!r} already")


def open_part(path: Path | str) -> Part:
    """Begin to read one file, whatever stands beside it. Raises InputError as `open_capture` does."""
    return Part(source.lines(path), source.name(path))


def open_capture(path: Path | str) -> Stream:
    """Begin to read a capture: a file, a dataset's directory, either of them at a URL, or `-` for standard input. A
    recording's name stands for all its segments.

    Raises InputError, at once or from the iteration, naming the line, for a file that cannot be read, is no capture,
    is of a newer version, or is damaged anywhere but in a torn last line.
    """
    if is_dataset(path):
        # pyarrow takes as long to import as all of the command line; who reads JSON lines need not wait.
        from qqlab.capture.stored import StoredStream  # noqa: PLC0415

        return StoredStream(path)
    at = place(path)
    try:
        part = open_part(at)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError) and (there := segments.present(at)):
            raise InputError(error.where, error.what, f"name its segments: {there[0].name} and so on") from error
        raise not_whole(at) or error from error.__cause__
    if part.where == source.STDIN or segments.is_finished(at, part.header.segment):
        return Stream(part)
    return Stream(part, at)


def find_segment(live: Path, head: Header, number: int) -> Part | None:
    """The finished segment of this number beside the live file whose header this is, or None."""
    for path in segments.beside(live, number):
        try:
            part = open_part(path)
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                continue  # its compression ended in this moment: the next one is it
            raise
        if (part.header.recording, part.header.segment) == (head.recording, number):
            return part
    return None


def load(path: Path | str) -> Capture:
    """Read a whole capture into memory. Takes and raises what `open_capture` does."""
    return _loaded(open_capture(path))


def read_frame(path: Path | str, spec: Spec | None = None) -> "pd.DataFrame":
    """The exchanges of a capture as a pandas frame, that of `Capture.frame`: of a dataset out of its columns, where the
    same spec made them, in a fraction of the time. Takes and raises what `open_capture` does."""
    from qqlab.capture import frame  # noqa: PLC0415

    if is_dataset(path):
        from qqlab.capture import framing  # noqa: PLC0415

        found = framing.read(path, spec or builtin())
        if found is not None:
            return found
    return frame.frame(open_capture(path).exchanges(), spec or builtin())


def parse(data: bytes, where: str) -> Capture:
    """Read a capture from its bytes; `where` stands in errors. Raises as `load` does."""
    return _loaded(Stream(Part(source.lines_of(data, where), where)))


def _loaded(stream: Stream) -> Capture:
    exchanges = tuple(map(held_once, stream.exchanges()))
    return Capture(
        header=stream.header,
        exchanges=exchanges,
        path=stream.path,
        torn="; ".join(stream.missing) or None,
        segments=tuple(stream.segments),
    )
