"""Writing a capture as a dataset: a directory of Parquet files, zstd inside, with a list of them (`_qqlab.json`).

Law: the exchanges go out in blocks that follow on each other in the capture, each block in a file for each day, sorted
by session and time within it; one block is in memory at a time. The list is written last, and on this machine the
directory takes its name only then, so that half a dataset is never taken for a whole one. At a URL the files of a
replaced one go once the list is the new one. Nothing is replaced unasked, and nothing but a dataset ever.
"""

import contextlib
import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import qqlab
from qqlab.capture import manifest as manifests
from qqlab.capture import source
from qqlab.capture.columns import Columns, Row, can_hold
from qqlab.capture.file import kept_line, parse_kept
from qqlab.capture.manifest import NAME, VERSION, Block, File, Manifest, Segment
from qqlab.capture.places import Folder, place
from qqlab.capture.reading import Gap, Part, Seen, Stream, cut_off, twice
from qqlab.codec import decode
from qqlab.errors import InputError
from qqlab.spec import Spec
from qqlab.visible import visible

MOST = 100_000
"""How many exchanges a block has at most."""
# Of their lines, in bytes: what is held in memory is about three times as much.
_MOST_BYTES = 32 << 20
_BATCH = 2000
# Names beyond those of any protocol are an attack, or no names.
_MOST_FIELDS = 4096
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # what other readers of such directories take for null
_ORDER: list[tuple[str, Literal["ascending", "descending"]]] = [
    ("session", "ascending"),
    ("time", "ascending"),
    ("ordinal", "ascending"),
]
_HINT = "choose another name, or --force to replace it"


def fingerprint(spec: Spec) -> str:
    """What tells this spec, read by this version, from any other: the decoded columns are those of one of them."""
    digest = hashlib.sha256(qqlab.__version__.encode())
    digest.update(msgspec.msgpack.encode(spec, order="deterministic"))
    return digest.hexdigest()[:32]


def write(path: Path | str, stream: Stream, spec: Spec, *, force: bool = False) -> Manifest:
    """Write a capture that is being read as a dataset, with the decoded columns by that spec.

    `stream.missing` tells afterwards what was not there. Raises InputError where something stands there (unless it is
    a dataset, and `force`), it cannot be written, or the capture cannot be read; on this machine all is then as it was.
    """
    with _folder(place(path), force) as folder:
        writing = _Writing(folder, spec)
        for part in stream.parts():
            writing.take(part, stream)
        return writing.finish()


class _Writing:
    """A dataset being written."""

    def __init__(self, folder: Folder, spec: Spec) -> None:
        self._folder = folder
        self._spec = spec
        self._columns = Columns(spec)
        self._name = secrets.token_hex(8)
        self._seen = Seen()
        self._fields: dict[str, None] = {}
        self._rows: list[Row] = []
        self._tables: list[pa.Table] = []
        self._count = self._first = self._size = 0
        self._blocks: list[Block] = []
        self._segments: list[Segment] = []
        self._absent: list[int] = []
        self._redacted: Any = None

    def take(self, part: Part | Gap, stream: Stream) -> None:
        """Write the exchanges of one file of the capture."""
        if isinstance(part, Gap):
            if part.error is not None:
                raise part.error
            self._absent += range(part.first, part.last + 1)
            stream.missing.append(stream.is_absent(part))
            return
        self._redacted = part.header.redacted
        first, kept = self._count, Kept(part)
        for line, size in kept.rows(self._spec, first):
            exchange = line.exchange
            if not self._seen.add(exchange.id):
                raise twice(part, kept.number, exchange)
            self._add(line, size)
        self._segments.append(Segment(part.first_line, first, self._count - first, kept.rest, kept.ended))
        stream.segments.append(part.header.segment)
        if kept.torn is not None:
            stream.missing.append(kept.torn)

    def _add(self, row: Row, size: int) -> None:
        if self._count - self._first == MOST or (self._size and self._size + size > _MOST_BYTES):
            self._end_block()
        self._rows.append(row)
        self._count += 1
        self._size += size
        if len(self._fields) <= _MOST_FIELDS:
            for message in row.decoded.messages():
                self._fields |= dict.fromkeys(f"{message.direction}.{name}" for name in message.values())
        if len(self._rows) == _BATCH:
            self._end_batch()

    def _end_batch(self) -> None:
        self._tables.append(self._columns.table(self._rows))
        self._rows = []

    def _end_block(self) -> None:
        self._end_batch()
        table = pa.concat_tables(self._tables)
        self._tables = []
        number = len(self._blocks) + 1
        files = tuple(self._written(day, rows, number) for day, rows in _days(table))
        self._blocks.append(Block(self._first, self._count - self._first, files))
        self._first, self._size = self._count, 0

    def _written(self, day: str, rows: pa.Table, number: int) -> File:
        # At a URL, the files of a dataset that is being replaced stand there, too.
        own = "" if self._folder.here else f"-{self._name}"
        name = f"day={day}/block-{number:06d}{own}.parquet"
        table = rows.sort_by(_ORDER).replace_schema_metadata({manifests.MARK: self._name})
        with self._folder.writing(name) as file:
            pq.write_table(table, file, compression="zstd")
            size = file.tell()
        return File(name, rows.num_rows, size)

    def finish(self) -> Manifest:
        """Write the list."""
        if self._count > self._first:
            self._end_block()
        made = Manifest(
            qqlab_dataset=VERSION,
            tool=f"qqlab {qqlab.__version__}",
            dataset=self._name,
            spec=self._spec.name,
            fingerprint=fingerprint(self._spec),
            redacted=self._redacted,
            count=self._count,
            segments=tuple(self._segments),
            blocks=tuple(self._blocks),
            fields=tuple(self._fields) if len(self._fields) <= _MOST_FIELDS else None,
            absent=tuple(self._absent),
        )
        with self._folder.writing(NAME) as file:
            file.write(manifests.encode(made))
        return made


def _days(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each day, those without a time first."""
    days = pc.cast(table.column("time"), pa.date32())
    for day in sorted(pc.unique(days).to_pylist(), key=lambda one: (one is not None, one)):
        chosen = pc.is_null(days) if day is None else pc.equal(days, pa.scalar(day, pa.date32()))
        yield _NO_DAY if day is None else day.isoformat(), table.filter(chosen)


class Kept:
    """The lines of a part with all of their bytes: what `Part.numbered` passes over is kept with what follows.

    When the rows are through, `rest` are the bytes behind the last exchange's line, `ended` tells whether the last line
    of all had its end, and `torn` is as `Part` has it.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self.rest = b""
        self.ended = part.ended
        self.torn: str | None = None
        self.number = 1

    def rows(self, spec: Spec, first: int) -> Iterator[tuple[Row, int]]:
        """A row for each exchange, and the bytes of its line; the first one has this ordinal."""
        where, before, ordinal = self._part.where, b"", first
        for line in self._part.lines:
            self.number, self.ended = line.number, line.ended
            if not line.whole:
                raise source.too_long(line, where)
            if not line.data.strip():
                before += line.data + b"\n" * line.ended
                self._bound(before)
                continue
            try:
                exchange, written = parse_kept(line.data, f"{where}:{line.number}")
            except InputError:
                if line.ended:
                    raise
                self.torn = cut_off(f"{where}:{line.number}", len(line.data))
                before += line.data
                break
            own = None
            if before or not can_hold(exchange) or kept_line(exchange, written) != line.data:
                own, before = before + line.data, b""
            yield Row(ordinal, exchange, own, written, decode(exchange, spec)), len(line.data)
            ordinal += 1
        self.rest = before

    def _bound(self, before: bytes) -> None:
        if len(before) > source.MAX_LINE:
            raise InputError(f"{self._part.where}:{self.number}", "there are too many empty lines", "is it a capture?")


@contextmanager
def _folder(path: Path, force: bool) -> Iterator[Folder]:
    """Where a dataset is written, which is at `path` once the block ends well."""
    there = Folder(path)
    old = _replaced(there, force)
    if not there.here:
        yield there
        kept = {NAME, *(file.path for file in manifests.files(manifests.read(there)))}
        for name in old:
            if name not in kept:
                there.remove(name)
        return
    beside = path.resolve().parent
    if not beside.is_dir():
        raise InputError(str(path), "its directory does not exist", f"make it: mkdir -p {path.parent}")
    try:
        made = Path(tempfile.mkdtemp(dir=beside, prefix=".qqlab-"))
    except OSError as error:
        raise InputError(str(path), f"cannot be written: {error.strerror or error}") from error
    try:
        yield Folder(made)
        _put(made, path.resolve())
    except BaseException as error:
        shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, OSError):
            raise InputError(str(path), error.strerror or str(error)) from error
        raise


def _put(made: Path, path: Path) -> None:
    """Give a whole dataset its name; the one that had it is gone afterwards."""
    if not path.exists() or not any(path.iterdir()):
        made.rename(path)
        return
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=".qqlab-"))
    path.rename(aside)
    try:
        made.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def check(path: Path | str, *, force: bool) -> None:
    """Raise InputError now where a dataset may not be written there."""
    _replaced(Folder(path), force)


def _replaced(there: Folder, force: bool) -> list[str]:
    """The files of the dataset that is to be replaced, whole or half. Raises InputError for what may not be."""
    where, old = str(there.path), there.names()
    if old and not force:
        raise InputError(where, "exists already", _HINT)
    foreign = next((name for name in old if not manifests.is_part(name)), None)
    if foreign is not None:
        raise InputError(where, f"stays as it is: {visible(foreign, 60)} in it is of no dataset", "name another one")
    return old
