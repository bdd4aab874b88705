"""The journal of a replay: what was about to be sent, and what came of it, as it happens.

Law: an intent is with the operating system before its request is sent, an outcome soon after it is there; what is
written survives a kill at any point, and only a torn last line is cut off. Who goes on with a replay learns from it
what is done, and of what nobody knows whether it was done: that is not sent again unasked. Outcomes are lines of a
capture, redacted like any. One process writes a journal (flock); several journals of one replay lie side by side. At
the end the capture is put together from them in recorded order, in one step.
"""

import fcntl
import mmap
import os
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import msgspec
import xxhash

from qqlab import failures
from qqlab.capture import Header
from qqlab.capture.file import encode_header, parse_line
from qqlab.capture.live import write_all
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.files import refuse_existing, replacing
from qqlab.replay.plan import Options

VERSION = 1
_SUFFIX = ".journal"
_HEAD = b'{"qqlab_journal":'
_INTENT = b'{"sent":'
_UNSENT_LINE = b'{"unsent":'
_ANEW = "begin anew: --force"
_LONGEST = 1 << 16
_PIECE = 16  # so many lines are looked up at once; each may be long
_BUFFER = 1 << 20  # a journal is read in few pieces


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A journal's first line: the version of its form, what is replayed (see `fingerprint`) to which target, the number
    that fresh sequence numbers follow on, and how requests differ from the recording (see `fingerprint_of`)."""

    qqlab_journal: int
    replay: str
    target: str
    start: int
    options: str = ""


class _Intent(msgspec.Struct, frozen=True):
    sent: str


class _Unsent(msgspec.Struct, frozen=True):
    unsent: str


class _Outcome(msgspec.Struct, frozen=True):
    id: str
    error: str | None = None


_heads = msgspec.json.Decoder(Head)
_intents = msgspec.json.Decoder(_Intent)
_unsent = msgspec.json.Decoder(_Unsent)
_outcomes = msgspec.json.Decoder(_Outcome)
_encoder = msgspec.json.Encoder()


def fingerprint(exchanges: Iterable[Exchange]) -> str:
    """What tells one capture from another, in hex: the ids and the recorded requests. Recorded ones, since a digest of
    what is sent would let one try passwords out."""
    return fingerprint_together([fingerprint_part(exchanges)])


def fingerprint_part(exchanges: Iterable[Exchange]) -> int:
    """What some exchanges of a capture add to its fingerprint, whatever stands before and behind them."""
    total = 0
    for one in exchanges:
        asked = b"" if one.request is None else one.request.body
        total += xxhash.xxh3_128_intdigest(b"%b\0%b" % (one.id.encode(), asked))
    return total


def fingerprint_together(parts: Iterable[int]) -> str:
    """The fingerprint of a capture, of the parts that it consists of."""
    return f"{sum(parts) % (1 << 128):032x}"


def fingerprint_of(options: Options) -> str:
    """What tells requests that differ from the recording in one way from those that do in another, in hex, empty
    where they do not; no secret is among it. Which of them are sent, and how fast, may change when a replay goes on."""
    settings, accounts = options.changes
    wishes = (sorted(map(str, settings)), sorted(accounts.items()), sorted(map(str, options.pins)), options.correlate)
    return sha256(repr(wishes).encode()).hexdigest() if wishes != ([], [], [], True) else ""


def journal_path(output: Path) -> Path:
    """The first journal of a replay whose capture is to stand there."""
    return output.with_name(output.name + _SUFFIX)


def present(output: Path) -> list[Path]:
    """The journals that lie beside it, the first one first."""
    first = journal_path(output)
    beside = (path for path in first.parent.glob(f"{_escaped(first.name)}.*") if path.suffix[1:].isdecimal())
    found = sorted(beside, key=lambda path: int(path.suffix[1:]))
    return [first, *found] if os.path.lexists(first) else found


def journal_number(path: Path) -> int:
    """The number of a journal among those of its replay."""
    number = path.suffix[1:]
    return int(number) if number.isdecimal() else 1


def new_path(output: Path) -> Path:
    """Where the next journal goes."""
    return new_paths(output, 1)[0]


def new_paths(output: Path, number: int) -> list[Path]:
    """Where the next journals go."""
    first, there = journal_path(output), present(output)
    last = there[-1].suffix[1:] if there else "0"
    begin = int(last) + 1 if last.isdecimal() else 2
    return [first if place == 1 else first.with_name(f"{first.name}.{place}") for place in range(begin, begin + number)]


def _escaped(name: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


class Written(msgspec.Struct):
    """What a process has written to a journal, so that nobody need read it again: the id of each outcome, where its
    line begins and how long it is, and the ids of what was sent, or about to be, and has no outcome."""

    path: Path
    ids: list[str]
    begins: "array[int]"
    lengths: "array[int]"
    unknown: set[str]


class Journal:
    """One journal being written. `written` is what was written to it, None once that failed.

    Raises InputError where it cannot be written, on each call.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self.written: Written | None = Written(path, [], array("q"), array("q"), set())
        self._waiting: list[bytes] = []
        first = _encoder.encode(head) + b"\n"
        self._size = len(first)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(self._file, first)
        except OSError as error:
            path.unlink()
            os.close(self._file)
            raise _unwritable(path, error) from error

    def intent(self, identifier: str) -> None:
        """The exchange of that id is about to be sent: once this is written, with the next `flush`."""
        self._put(b"%b%b}\n" % (_INTENT, _encoder.encode(identifier)))
        if self.written is not None:
            self.written.unknown.add(identifier)

    def unsent(self, identifier: str) -> None:
        """Nothing was sent of what was about to be."""
        self._put(_encoder.encode(_Unsent(identifier)) + b"\n")
        if self.written is not None:
            self.written.unknown.discard(identifier)

    def outcome(self, identifier: str, line: bytes) -> None:
        """What came of the exchange of that id, as its line of a capture; it is written with the next `flush`."""
        written = self.written
        if written is not None:
            written.ids.append(identifier)
            written.begins.append(self._size)
            written.lengths.append(len(line))
            if written.unknown:
                written.unknown.discard(identifier)
        self._waiting.append(line)
        self._size += len(line)

    def _put(self, line: bytes) -> None:
        self._waiting.append(line)
        self._size += len(line)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._write(data)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        try:
            self.flush()
            if os.fstat(self._file).st_size != self._size or not self._is_consistent():
                self.written = None  # an interruption came between two steps of the above
        finally:
            os.close(self._file)

    def _is_consistent(self) -> bool:
        written = self.written
        return written is not None and len(written.ids) == len(written.begins) == len(written.lengths)

    def hand_over(self) -> None:
        """Let go of the file, which another process that was begun meanwhile writes."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._file, data)
        except OSError as error:
            self.written = None
            raise _unwritable(self.path, error, "what stands there is safe: --resume") from error


def _unwritable(path: Path, error: OSError, hint: str = "") -> InputError:
    return InputError(str(path), f"cannot be written: {error.strerror or error}", hint)


class Outcomes:
    """What came of a replay, as it stands in its journals. `unknown` are the ids of what was sent, or about to be, and
    has no outcome."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """None yet, of these journals."""
        self.unknown: set[str] = set()
        self._paths = tuple(paths)
        self._ids: list[str] = []
        self._files = array("q")  # of each outcome its journal, and where it stands there
        self._begins = array("q")
        self._lengths = array("q")

    @classmethod
    def of(cls, written: Sequence[Written]) -> Self:
        """What was written by those who say so."""
        outcomes = cls([one.path for one in written])
        for number, one in enumerate(written):
            outcomes.unknown.difference_update(one.ids)
            outcomes.unknown |= one.unknown
            outcomes._ids += one.ids
            outcomes._files.extend([number] * len(one.ids))
            outcomes._begins.extend(one.begins)
            outcomes._lengths.extend(one.lengths)
        return outcomes

    @property
    def ids(self) -> set[str]:
        """The ids of all outcomes."""
        return set(self._ids)

    @property
    def count(self) -> int:
        """How many outcomes there are."""
        return len(set(self._ids))

    def keep(self, ids: Container[str]) -> None:
        """Forget all but these."""
        kept = [number for number, identifier in enumerate(self._ids) if identifier in ids]
        self._ids = [self._ids[number] for number in kept]
        self._files, self._begins, self._lengths = (
            array("q", map(one.__getitem__, kept)) for one in (self._files, self._begins, self._lengths)
        )
        self.unknown = {identifier for identifier in self.unknown if identifier in ids}

    def ordered(self, places: Mapping[str, int]) -> "list[Ordered]":
        """The same, of each journal by itself, in the order that `lines` has."""
        found = [
            Ordered(
                path, array("d"), array("q"), array("q"), array("q"), frozenset() if number else frozenset(self.unknown)
            )
            for number, path in enumerate(self._paths)
        ]
        place = -1
        for count, number in enumerate(self._ordered(places)):
            own = places.get(self._ids[number])
            place = place if own is None else own
            one = found[self._files[number]]
            one.begins.append(place)
            one.numbers.append(-1 if own is not None else count)
            one.at.append(self._begins[number])
            one.lengths.append(self._lengths[number])
        return found

    @property
    def sent(self) -> set[str]:
        """The ids of all that went out, or may have."""
        return self.unknown.union(self._ids)

    def exchanges(self, places: Mapping[str, int]) -> Iterator[Exchange]:
        """What was kept, in the order that `lines` has."""
        return (parse_line(line, str(self._paths[0])) for line in self.lines(places))

    def lines(self, places: Mapping[str, int]) -> Iterator[bytes]:
        """The lines in the order of their exchanges' places; of several of one exchange the last. What has no place,
        as a push, stands behind all that stood before it when it first came."""
        return (line for piece in self.pieces(places) for line in piece.splitlines(keepends=True))

    def pieces(self, places: Mapping[str, int]) -> Iterator[bytes]:
        """The same, several lines at a time."""
        order = [places.get(one, -1) for one in self._ids]
        if -1 in order or len(set(order)) < len(order):
            return self._pieces(self._ordered(places))
        return self._pieces(sorted(range(len(order)), key=order.__getitem__))

    def _ordered(self, places: Mapping[str, int]) -> list[int]:
        last = dict(zip(self._ids, range(len(self._ids)), strict=True))
        first: dict[str, int] = {}
        order = array("q")
        last_place = -1
        for number, identifier in enumerate(self._ids):
            first.setdefault(identifier, number)
            place = places.get(identifier)
            last_place = last_place if place is None else max(last_place, place)
            order.append(last_place if place is None else place)  # so that pushes stay in their own order
        return [last[one] for one in sorted(first, key=lambda one: order[first[one]])]

    def _pieces(self, numbers: Sequence[int]) -> Iterator[bytes]:
        files, begins, lengths = self._files, self._begins, self._lengths
        with ExitStack() as stack:
            views: dict[int, memoryview] = {}
            for number in sorted(set(files)):  # an empty one could not be mapped
                mapped = stack.enter_context(_mapped(self._paths[number]))
                views[number] = stack.enter_context(memoryview(mapped))
            for first in range(0, len(numbers), _PIECE):
                piece = numbers[first : first + _PIECE]
                yield b"".join([views[files[one]][(begin := begins[one]) : begin + lengths[one]] for one in piece])

    def remove(self) -> None:
        """Remove the journals: what they hold is safe elsewhere."""
        for path in self._paths:
            path.unlink(missing_ok=True)


class Ordered(NamedTuple):
    """What a process has kept in a journal, each exchange once, in the order of the plan: when they began, the numbers
    of their lines in the recording (by these two, parts are put together), where their lines begin and how long they
    are. `unknown` are the ids of what was sent, and has no outcome."""

    path: Path
    begins: "array[float]"
    numbers: "array[int]"
    at: "array[int]"
    lengths: "array[int]"
    unknown: frozenset[str]


def ordered(written: Written, ids: Sequence[str], begins: "array[float]", numbers: "array[int]") -> Ordered:
    """What was written of these, which stand in the order of the plan: when each began, and the number of its line."""
    rank = dict(zip(ids, range(len(ids)), strict=True))
    last = dict(zip(map(rank.__getitem__, written.ids), range(len(written.ids)), strict=True))
    ranks = sorted(last)
    kept = [last[one] for one in ranks]
    return Ordered(
        written.path,
        array("d", map(begins.__getitem__, ranks)),
        array("q", map(numbers.__getitem__, ranks)),
        array("q", map(written.begins.__getitem__, kept)),
        array("q", map(written.lengths.__getitem__, kept)),
        frozenset(written.unknown),
    )


class OrderedOutcomes:
    """What several processes have kept, put together."""

    def __init__(self, parts: Sequence[Ordered]) -> None:
        self.unknown = frozenset().union(*(part.unknown for part in parts))
        self.count = sum(len(part.at) for part in parts)
        self._parts = parts

    def pieces(self) -> Iterator[list[bytes]]:
        """The lines in the order of the plan, several at a time."""
        parts = [part for part in self._parts if part.at]
        begins = [begin for part in parts for begin in part.begins]
        keys: list[float] | list[tuple[float, int]] = begins
        if len(set(begins)) < len(begins):
            keys = list(zip(begins, [number for part in parts for number in part.numbers], strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        files = array("q", [number for number, part in enumerate(parts) for _ in part.at])
        at = array("q", [begin for part in parts for begin in part.at])
        lengths = array("q", [length for part in parts for length in part.lengths])
        with ExitStack() as stack:
            maps = [stack.enter_context(_mapped(part.path)) for part in parts]
            for first in range(0, len(order), _PIECE):
                piece = order[first : first + _PIECE]
                yield [maps[files[number]][(begin := at[number]) : begin + lengths[number]] for number in piece]

    def remove(self) -> None:
        """Remove the journals: what they hold is safe elsewhere."""
        for part in self._parts:
            part.path.unlink(missing_ok=True)


class Kept(Outcomes):
    """What stands in journals, read from them. One that breaks off within its first line is passed over: nothing was
    sent before that stood.

    `start` is the number that its fresh sequence numbers follow on, None where there are no journals. `done` are the
    ids of what has an outcome, `unknown` those of what was sent, or about to be, and has none. What never got a
    connection is in neither. `silent` are the ids of what had no answer in time. `count` is how many outcomes there
    are.
    """

    def __init__(self, paths: Sequence[Path], *, replay: str, target: str, options: str = "") -> None:
        """Read them. Raises InputError for what is no journal, is damaged, is of another replay or one with other
        options, or is still being written."""
        super().__init__(paths)
        self.start: int | None = None
        self.done: set[str] = set()
        self.silent: set[str] = set()
        for number, path in enumerate(self._paths):
            with _opened(path) as file:
                first = file.readline(_LONGEST)
                if _is_torn(first):
                    continue
                head = _head(path, first)
                if (head.replay, head.target) != (replay, target):
                    what = "is the journal of another replay"
                    raise InputError(str(path), what, f"name the same capture and target as then, or {_ANEW}")
                if head.options != options:
                    what = "was begun with other options, and what is left would not fit what was sent"
                    hint = "give --set, --map-account, --pin and --no-correlate as then"
                    raise InputError(str(path), what, f"{hint}, or {_ANEW}")
                self.start = head.start if self.start is None else self.start
                self._read(number, file)

    def keep(self, ids: Container[str]) -> None:
        """Forget all but these."""
        super().keep(ids)
        self.done = {identifier for identifier in self.done if identifier in ids}
        self.silent = {identifier for identifier in self.silent if identifier in ids}

    def _read(self, number: int, file: BinaryIO) -> None:
        at = file.tell()
        for line_number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                break  # torn: an intent whose request never went out, or an outcome that is lost
            try:
                self._read_line(line, number, at)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                where = f"{self._paths[number]}:{line_number}"
                what = f"is damaged; the {line_number - 1} lines before it are whole"
                raise InputError(
                    where, what, f"put back what stood there, or {_ANEW}, which sends all again"
                ) from error
            at += len(line)

    def _read_line(self, line: bytes, number: int, at: int) -> None:
        if line.startswith(_INTENT):
            self.unknown.add(_intents.decode(line).sent)
        elif line.startswith(_UNSENT_LINE):
            self.unknown.discard(_unsent.decode(line).unsent)
        else:
            self._take(_outcomes.decode(line), number, at, len(line))

    def _take(self, outcome: _Outcome, number: int, at: int, length: int) -> None:
        self._ids.append(outcome.id)
        self._files.append(number)
        self._begins.append(at)
        self._lengths.append(length)
        self.unknown.discard(outcome.id)
        failure = None if outcome.error is None else failures.named(outcome.error)
        if failure not in failures.UNSENT:
            self.done.add(outcome.id)
        if failure == "silent":
            self.silent.add(outcome.id)
        elif self.silent:
            self.silent.discard(outcome.id)


def discard(paths: Iterable[Path]) -> None:
    """Remove journals that nobody wants to go on with. Raises InputError for one that is being written."""
    for path in paths:
        with _opened(path):
            path.unlink()


def put_together(path: Path, head: Header, lines: Iterable[bytes], *, force: bool) -> None:
    """Write the capture in one step; its lines may come several at a time. Raises InputError where the path is taken
    (unless `force`), or it cannot be."""
    if not force:
        refuse_existing(path)
    with replacing(path) as file:
        file.write(encode_header(head))
        file.writelines(lines)


def _is_torn(line: bytes) -> bool:
    """Whether this is the beginning of a journal's first line, and no more."""
    return not line.endswith(b"\n") and len(line) < _LONGEST and line[: len(_HEAD)] == _HEAD[: len(line)]


def _head(path: Path, line: bytes) -> Head:
    try:
        head = _heads.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), "is no journal of a replay", _ANEW) from error
    if head.qqlab_journal != VERSION:
        raise InputError(str(path), f"is a journal of version {head.qqlab_journal}, not {VERSION}", _ANEW)
    return head


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb", _BUFFER) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(str(path), "a replay is writing it", "wait for it, or end it") from error
            yield file
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}", _ANEW) from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped
