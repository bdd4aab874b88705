"""Captures in chunks: contiguous pieces that can each be read by themselves, by whatever process.

Law: the chunks of a capture, read one after the other, give what reading it gives, whatever their size. Where an
exchange stands (its `At`) is a number that grows along the captures and does not depend on how they are cut. A chunk is
a description: who has it reads the file. Memory holds one block of the file and one line. What a chunk finds damaged it
says without the number of the line, which only who reads from the beginning knows: `first_trouble` does.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from qqlab.capture import manifest, segments, source
from qqlab.capture.file import Header, parse_header, parse_line
from qqlab.capture.manifest import is_dataset
from qqlab.capture.places import Folder, is_url, reading
from qqlab.capture.reading import Gap, Part, Seen, Stream, open_capture, twice
from qqlab.errors import InputError
from qqlab.exchange import Exchange

At = int
"""Where an exchange stands: the capture's number, the file's number in it, and where its line begins in that file."""

SIZE = 32 << 20
"""How many bytes a chunk has."""

_CAPTURE, _FILE = 60, 40
_READ = 1 << 20
# A line or a few.
_SMALL = 8 << 10


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """The lines of a file that begin from `start` up to before `stop`, in bytes, decompressed; or the exchanges of a
    dataset with these ordinals, which are of one of its blocks.

    `path` is where the file is read, `where` what errors call it. `capture` and `file` number the capture, and the file
    in it, from 0. `kind` is `whole` where the file cannot be read from its middle, so that all of it is this chunk.
    `size` is how many bytes of the file are to be read for it, `there` how long the file was; `first` and `last` tell
    whether no chunk of the file comes before it, and none behind it.
    """

    path: str
    where: str
    capture: int
    file: int
    start: int
    stop: int
    kind: Literal["lines", "whole", "block"]
    size: int
    there: int
    first: bool
    last: bool

    @property
    def span(self) -> tuple[At, At]:
        """Where its exchanges stand: from the first of these up to before the second. The spans of a file's chunks
        begin where the file does and end where the next one begins."""
        base = at_of(self.capture, self.file, 0)
        stop = at_of(self.capture, self.file + 1, 0) if self.last else base + self.stop
        return base + (0 if self.first else self.start), stop


class File(msgspec.Struct, frozen=True):
    """A file of a capture: where it is read and what errors call it, the number of its segment, and its chunks."""

    path: str
    where: str
    segment: int
    chunks: tuple[Chunk, ...]


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """A capture in pieces. `missing` are the lines about segments that are not there, each with the number of files
    before the gap."""

    number: int
    path: str
    header: Header
    files: tuple[File, ...]
    missing: tuple[tuple[int, str], ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its endings, as that of a loaded capture."""
        path = Path(self.path)
        return (path.with_suffix("") if path.suffix == segments.COMPRESSED else path).stem

    @property
    def segments(self) -> tuple[int, ...]:
        """The numbers of the segments that are there."""
        return tuple(file.segment for file in self.files)

    @property
    def chunks(self) -> Iterator[Chunk]:
        """All chunks, in order."""
        return (chunk for file in self.files for chunk in file.chunks)

    @property
    def size(self) -> int:
        """How many bytes are to be read."""
        return sum(chunk.size for chunk in self.chunks)


class Reading:
    """A chunk being read: its exchanges with where they stand, once.

    Then `lines` is how many lines there were, and `torn` how many bytes a last line had that was cut off and skipped,
    or for a dataset the line that says so; None where there is none.
    """

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.lines = 0
        self.torn: int | str | None = None

    def __iter__(self) -> Iterator[tuple[At, Exchange]]:
        if self.chunk.kind == "block":
            yield from _stored(self.chunk)
            self.torn = _torn(self.chunk) if self.chunk.last else None
            return
        base = at_of(self.chunk.capture, self.chunk.file, 0)
        for offset, data, ended in _lines(self.chunk):
            self.lines += 1
            if data[:1] != b"{" and not data.strip():
                continue
            try:
                exchange = parse_line(data, self.chunk.where)
            except InputError:
                if ended:
                    raise
                self.torn = len(data)
                return
            yield base + offset, exchange


def at_of(capture: int, file: int, offset: int) -> At:
    """Where the line at that offset of that file of that capture stands."""
    return (capture << _CAPTURE) + (file << _FILE) + offset


@contextmanager
def cut(paths: Sequence[Path | str], size: int | Callable[[int], int] = SIZE) -> Iterator[list[Pieces]]:
    """The captures at these paths in pieces of about that size, which may hang on that of all; those of one recording
    as one.

    `-` is standard input, which is copied to a file that is gone when the block ends. Raises InputError as
    `open_capture` does for what the beginning of each file says.
    """
    with tempfile.TemporaryDirectory(prefix="qqlab-") as folder:
        opened = [_opened(str(path), Path(folder) / str(at)) for at, path in enumerate(paths)]
        groups: dict[str, list[Pieces]] = {}
        for number, pieces in enumerate(opened):
            groups.setdefault(pieces.header.recording or f"no recording {number}", []).append(pieces)
        whole = [_recording(group) for group in groups.values()]
        most = size if isinstance(size, int) else size(sum(pieces.size for pieces in whole))
        yield [_divided(pieces, number, max(1, most)) for number, pieces in enumerate(whole)]


def read_chunk(chunk: Chunk) -> Iterator[tuple[At, Exchange]]:
    """The exchanges of a chunk, with where they stand. Raises InputError for damage, and for a file that is not there
    as it was."""
    return iter(Reading(chunk))


def read_at(chunk: Chunk, ats: Collection[At]) -> Iterator[tuple[At, Exchange]]:
    """Those exchanges of a chunk that stand at these places, in order. Raises as `read_chunk`."""
    base = at_of(chunk.capture, chunk.file, 0)
    wanted = sorted(ats)
    if chunk.kind == "block":
        # pyarrow takes as long to import as all of the command line; who reads JSON lines need not wait.
        from qqlab.capture import stored  # noqa: PLC0415

        for ordinal, exchange in stored.pick(stored.open_dataset(chunk.path), [at - base for at in wanted]):
            yield base + ordinal, exchange
        return
    if chunk.kind == "whole":
        looked_for = {at - base for at in wanted}
        for offset, data, _ in _lines(chunk):
            if offset in looked_for:
                yield base + offset, parse_line(data, chunk.where)
        return
    with _file(chunk, _SMALL) as file:
        for at in wanted:
            file.seek(at - base)
            yield at, parse_line(file.readline(source.MAX_LINE + 1).removesuffix(b"\n"), chunk.where)


def first_trouble(captures: Iterable[Pieces]) -> InputError | None:
    """What reading the captures from the beginning says is wrong with them, with the number of the line; None where
    nothing is."""
    try:
        for pieces in captures:
            if any(chunk.kind == "block" for chunk in pieces.chunks):
                deque(open_capture(pieces.path).exchanges(), maxlen=0)
                continue
            seen = Seen()
            for file in pieces.files:
                part = Part(source.lines(file.path), file.where)
                for exchange, number in part.numbered():
                    if not seen.add(exchange.id):
                        return twice(part, number, exchange)
    except InputError as error:
        return error
    return None


def _opened(path: str, spool: Path) -> Pieces:
    if path == "-":
        return _spooled(spool)
    return _pieces(open_capture(path), {})


def _spooled(spool: Path) -> Pieces:
    with spool.open("wb") as file:
        for block in source.blocks("-"):
            file.write(block)
    part = Part(source.lines(spool), source.STDIN)
    return _pieces(Stream(part), {source.STDIN: str(spool)})


def _pieces(stream: Stream, read_at_path: dict[str, str]) -> Pieces:
    files: list[File] = []
    missing: list[tuple[int, str]] = []
    for part in stream.parts():
        if isinstance(part, Gap):
            if part.error is not None:
                raise part.error
            missing.append((len(files), stream.is_absent(part)))
            continue
        path = read_at_path.get(part.where, part.where)
        chunks = tuple(_blocks(stream.path, part.header.segment)) if is_dataset(stream.path) else (_all_of(path, part),)
        files.append(File(path, part.where, part.header.segment, chunks))
    return Pieces(number=0, path=stream.path, header=stream.header, files=tuple(files), missing=tuple(missing))


def _all_of(path: str, part: Part) -> Chunk:
    """A file as one chunk."""
    path = _everywhere(path)
    with _opened_at(path) as file:
        whole = file.read(len(source.ZSTD)) == source.ZSTD
        there = file.seek(0, 2)
    stop = 1 << _FILE if whole else there
    return Chunk(path, part.where, 0, 0, part.size, stop, "whole" if whole else "lines", there, there, True, True)


def _blocks(path: str, segment: int) -> Iterator[Chunk]:
    """The chunks of what was a segment of a recording, in a dataset."""
    found = manifest.read(Folder(path))
    one = next(each for each in found.segments if parse_header(each.header.encode(), path)[0].segment == segment)
    end = one.first + one.count
    inside = [block for block in found.blocks if block.first < end and block.first + block.count > one.first]
    edges = [(max(one.first, block.first), min(end, block.first + block.count)) for block in inside] or [(end, end)]
    sizes = [sum(file.size for file in block.files) for block in inside] or [0]
    for at, ((start, stop), size) in enumerate(zip(edges, sizes, strict=True)):
        yield Chunk(_everywhere(path), path, 0, 0, start, stop, "block", size, 0, at == 0, at == len(edges) - 1)


def _everywhere(path: str) -> str:
    """A path that does not hang on the directory of who reads it."""
    return path if is_url(path) else str(Path(path).absolute())


def _divided(pieces: Pieces, number: int, size: int) -> Pieces:
    """A capture of that number, in chunks of about that size."""
    files = (
        msgspec.structs.replace(
            file,
            chunks=tuple(
                piece
                for chunk in file.chunks
                for piece in _chunks(msgspec.structs.replace(chunk, capture=number, file=at), size)
            ),
        )
        for at, file in enumerate(pieces.files)
    )
    return msgspec.structs.replace(pieces, number=number, files=tuple(files))


def _chunks(chunk: Chunk, size: int) -> Iterator[Chunk]:
    """The chunks of a file; each is aligned to lines by who reads it."""
    if chunk.kind != "lines":
        yield chunk
        return
    length = chunk.stop - chunk.start
    number = max(1, -(-length // size))
    edges = [chunk.start + length * each // number for each in range(number + 1)]
    for at, (start, stop) in enumerate(pairwise(edges)):
        yield msgspec.structs.replace(
            chunk, start=start, stop=stop, size=stop - start, first=at == 0, last=at == number - 1
        )


def _recording(group: Sequence[Pieces]) -> Pieces:
    """Several captures of one recording as one: no segment comes twice (see `qqlab.capture.together`)."""
    if len(group) == 1:
        return group[0]
    kept: list[Pieces] = []
    files: dict[int, File] = {}
    for pieces in sorted(group, key=lambda one: (-len(one.segments), one.segments)):
        if not files.keys() >= set(pieces.segments):
            files = {file.segment: file for file in pieces.files} | files
            kept.append(pieces)
    kept.sort(key=lambda one: one.segments)
    told = {number for one in kept for number in range(min(one.segments), max(one.segments))}
    gaps = [number for number in range(min(files), max(files)) if number not in files.keys() | told]
    missing = [line for one in kept for _, line in one.missing]
    missing += [f"{group[0].path}: segment {number} of this recording is not among them" for number in gaps]
    return Pieces(
        number=0,
        path=group[0].path,
        header=kept[0].header,
        files=tuple(files[number] for number in sorted(files)),
        missing=tuple((len(files), line) for line in missing),
    )


def _lines(chunk: Chunk) -> Iterator[tuple[int, bytes, bool]]:
    """The lines that begin in a chunk: where each does, the line, and whether it has its end."""
    offset, rest, size = chunk.start, list[bytes](), 0
    for block in _unpacked(chunk) if chunk.kind == "whole" else _aligned(chunk):
        if not isinstance(block, bytes):
            offset = block
            continue
        *ends, begun = block.split(b"\n")
        for end in ends:
            if offset >= chunk.stop:
                return
            data = b"".join([*rest, end]) if rest else end
            yield offset, data, True
            offset += len(data) + 1
            if rest:
                rest, size = [], 0
        if offset >= chunk.stop:
            return
        rest.append(begun)
        size += len(begun)
        if size > source.MAX_LINE:
            raise InputError(chunk.where, f"a line is longer than {source.MAX_LINE >> 20} MiB", "is it a capture?")
    if size:
        yield offset, b"".join(rest), False


def _unpacked(chunk: Chunk) -> Iterator[bytes]:
    """The bytes behind the header of a compressed file."""
    passed = 0
    for block in source.blocks(chunk.path):
        if passed + len(block) > chunk.start:
            yield block[max(0, chunk.start - passed) :]
        passed += len(block)


def _aligned(chunk: Chunk) -> Iterator[bytes | int]:
    """Where the first line begins that does so in a chunk or behind it, and then the bytes from there on."""
    with _file(chunk) as file:
        at = chunk.start - 1
        file.seek(at)
        while block := file.read(_READ):
            end = block.find(b"\n")
            if end >= 0:
                yield at + end + 1
                yield block[end + 1 :]
                break
            at += len(block)
            if at >= chunk.stop:
                return
        while block := file.read(_READ):
            yield block


@contextmanager
def _file(chunk: Chunk, buffer: int = _READ) -> Iterator[BinaryIO]:
    """The file of a chunk, as it was when it was cut, but for what was written since."""
    try:
        with _opened_at(chunk.path, buffer) as file:
            if file.seek(0, 2) < chunk.there:
                raise InputError(chunk.where, "is shorter than it was when the reading began", "read it once more")
            yield file
    except OSError as error:
        raise InputError(chunk.where, f"{error.strerror or error}, where it was to be read", _SHARED) from error


@contextmanager
def _opened_at(path: str, buffer: int = _READ) -> Iterator[BinaryIO]:
    with reading(path) if is_url(path) else Path(path).open("rb", buffering=buffer) as file:
        yield file


def _stored(chunk: Chunk) -> Iterator[tuple[At, Exchange]]:
    """The exchanges of a chunk of a dataset."""
    from qqlab.capture import stored  # noqa: PLC0415

    if not Folder(chunk.path).has(manifest.NAME):
        raise InputError(chunk.where, "is no dataset, where it was to be read", _SHARED)
    dataset, base = stored.open_dataset(chunk.path), at_of(chunk.capture, chunk.file, 0)
    for block in dataset.manifest.blocks:
        if block.first < chunk.stop and block.first + block.count > chunk.start:
            for ordinal, exchange in stored.read_block(dataset, block):
                if chunk.start <= ordinal < chunk.stop:
                    yield base + ordinal, exchange


def _torn(chunk: Chunk) -> str | None:
    """The line about a last line that was cut off, in the file that a dataset was made of. Only reading it from its
    beginning tells the number of that line."""
    from qqlab.capture import stored  # noqa: PLC0415

    dataset = stored.open_dataset(chunk.path)
    segment = next(one for one in dataset.manifest.segments if one.first <= chunk.start <= one.first + one.count)
    part = stored.StoredPart(dataset, segment)
    if segment.rest.strip():
        deque(part.numbered(), maxlen=0)
    return part.torn


_SHARED = "a cluster's workers must all find it under the same path"
