"""Reading a dataset: its blocks one after the other in the order of the capture, or any one of them by itself.

Law: what is read is what was written: a file that is not there, is damaged, is of another dataset, or has not as many
exchanges as the list says is one clear error, never a gap. One block is in memory at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qqlab.capture import columns, manifest
from qqlab.capture.file import parse_header, parse_line
from qqlab.capture.manifest import MARK, Block, File, Manifest, Segment
from qqlab.capture.places import Folder
from qqlab.capture.reading import Gap, Part, Stream, cut_off
from qqlab.capture.share import Share
from qqlab.capture.source import Line
from qqlab.errors import InputError
from qqlab.exchange import Exchange

_HINT = "the dataset is not whole any more; make it anew"
_REPAIR = "the dataset is damaged; make it anew"


class Dataset(NamedTuple):
    """A dataset that can be read: where it lies, and what its list says."""

    folder: Folder
    manifest: Manifest

    @property
    def path(self) -> str:
        """How errors name it."""
        return str(self.folder.path)


def open_dataset(path: Path | str) -> Dataset:
    """The dataset in a directory, of which no more than the list is read. Raises InputError where it is none, or none
    that this version reads."""
    folder = Folder(path)
    return Dataset(folder, manifest.read(folder))


def read_block(dataset: Dataset, block: Block) -> Iterator[tuple[int, Exchange]]:
    """The exchanges of a block, each with its ordinal, in the capture's order. Raises InputError for damage."""
    table = _table(dataset, block, columns.RAW)
    return enumerate(chain.from_iterable(columns.exchanges(table, partial(_parsed, dataset))), block.first)


def _parsed(dataset: Dataset, lines: bytes) -> Exchange:
    """The exchange in a line that may have empty ones before it."""
    return parse_line(lines.rpartition(b"\n")[2], dataset.path)


def table(dataset: Dataset, names: Sequence[str]) -> pa.Table:
    """Columns of all exchanges of a dataset in the capture's order."""
    return pa.concat_tables([_table(dataset, block, names) for block in dataset.manifest.blocks])


def _table(dataset: Dataset, block: Block, names: Sequence[str]) -> pa.Table:
    """Columns of a block in the capture's order."""
    wanted = ["ordinal", *(name for name in names if name != "ordinal")]
    read = [_file(dataset, file, wanted) for file in block.files]
    found = pa.concat_tables(read) if len(read) > 1 else read[0]
    ordinals = found.column("ordinal").combine_chunks()
    order = pc.array_sort_indices(ordinals)
    expected = pa.array(range(block.first, block.first + block.count), pa.int64())
    if not ordinals.take(order).equals(expected):
        where = dataset.folder.where(block.files[0].path)
        raise InputError(where, "the exchanges of its block do not follow on each other", _REPAIR)
    return found.take(order)


def _file(dataset: Dataset, file: File, names: list[str]) -> pa.Table:
    where = dataset.folder.where(file.path)
    try:
        with dataset.folder.reading(file.path) as opened:
            found = _columns(opened, where, dataset.manifest.dataset, names)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise InputError(where, "is not there", _HINT) from error
        raise
    if found.num_rows != file.count:
        what = f"has {found.num_rows} exchanges, where the list of the dataset says {file.count}"
        raise InputError(where, what, _REPAIR)
    return found


def _columns(opened: Any, where: str, name: str, names: list[str]) -> pa.Table:
    try:
        reader = pq.ParquetFile(opened, read_dictionary=[one for one in columns.REPEATED if one in names])
        if (reader.schema_arrow.metadata or {}).get(MARK.encode()) != name.encode():
            raise InputError(where, "is of another dataset", _REPAIR)
        return reader.read(columns=names).select(names)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(where, f"is damaged: {text[:200]}", _REPAIR) from error


def pick(dataset: Dataset, ordinals: Iterable[int]) -> Iterator[tuple[int, Exchange]]:
    """The exchanges with these ordinals, in the capture's order; of each block that has any, all is read."""
    wanted = sorted(set(ordinals))
    for block in dataset.manifest.blocks:
        inside = [one - block.first for one in wanted if block.first <= one < block.first + block.count]
        if inside:
            found = _table(dataset, block, columns.RAW).take(inside)
            places = (block.first + one for one in inside)
            exchanges = chain.from_iterable(columns.exchanges(found, partial(_parsed, dataset)))
            yield from zip(places, exchanges, strict=True)


class StoredPart(Part):
    """One file of JSON lines as it lies in a dataset: reading it is the same as reading that file."""

    def __init__(self, dataset: Dataset, segment: Segment) -> None:
        self._dataset = dataset
        self._segment = segment
        self.first_line = segment.header
        self.header, self.version = parse_header(segment.header.encode(), dataset.folder.where(manifest.NAME))
        several = len(dataset.manifest.segments) > 1
        self.where = f"{dataset.path} (segment {self.header.segment})" if several else dataset.path
        self.lines = self._each_line()
        self.torn = None
        self.ended = segment.ended or segment.count > 0 or bool(segment.rest)
        self.size = 0

    def batches(self) -> Iterator[tuple[Sequence[int], Sequence[Exchange]]]:
        """The exchanges some at a time, with the numbers that their lines had in the file that they came from."""
        number, segment = 1, self._segment
        for block in self._blocks():
            found = _table(self._dataset, block, columns.RAW)
            begin, end = max(block.first, segment.first), min(block.first + block.count, segment.first + segment.count)
            found = found.slice(begin - block.first, end - begin)
            above, at = _newlines(found.column("line")), 0
            for exchanges in columns.exchanges(found, partial(_parsed, self._dataset)):
                numbers = []
                for row in range(at, at + len(exchanges)):
                    number += 1 + above.get(row, 0)
                    numbers.append(number)
                at += len(exchanges)
                yield numbers, exchanges
        self.torn = self._is_torn(number)

    def shared(self, share: Share) -> Iterator[tuple[int, Exchange, bytes | None]]:
        """The exchanges that are of a share, and some that may be: all that have no request."""
        number, segment = 1, self._segment
        for block in self._blocks():
            found = _table(self._dataset, block, columns.RAW)
            above = _newlines(found.column("line"))
            here = range(max(0, segment.first - block.first), segment.first + segment.count - block.first)[
                : block.count
            ]
            number += len(here) + sum(count for row, count in above.items() if row in here)
            rows = {row: looked for row, looked in _rows(found, share) if row in here}
            taken = columns.exchanges(found.take(list(rows)), partial(_parsed, self._dataset))
            exchanges = chain.from_iterable(taken)
            for (row, looked), exchange in zip(rows.items(), exchanges, strict=True):
                yield block.first + row, exchange, looked
        self.torn = self._is_torn(number)

    def _is_torn(self, number: int) -> str | None:
        *empty, torn = self._segment.rest.split(b"\n")
        if not torn.strip():
            return None
        return cut_off(f"{self.where}:{number + len(empty) + 1}", len(torn))

    def _blocks(self) -> Iterator[Block]:
        begin, end = self._segment.first, self._segment.first + self._segment.count
        for block in self._dataset.manifest.blocks:
            if block.first < end and block.first + block.count > begin:
                yield block

    def _each_line(self) -> Iterator[Line]:
        """The lines behind the header, with all of their bytes."""
        number, segment = 1, self._segment
        for at, data in self._written():
            *above, own = data.split(b"\n")
            for line in above:
                number += 1
                yield Line(number, line, True)
            number += 1
            is_last = at == segment.first + segment.count - 1
            yield Line(number, own, segment.ended or bool(segment.rest) or not is_last)
        *whole, torn = segment.rest.split(b"\n")
        for line in whole:
            number += 1
            yield Line(number, line, True)
        if torn:
            yield Line(number + 1, torn, False)

    def _written(self) -> Iterator[tuple[int, bytes]]:
        """The line of each exchange, with the empty ones before it."""
        segment = self._segment
        for block in self._blocks():
            found = _table(self._dataset, block, columns.LINES)
            for at, data in enumerate(columns.lines(found, partial(_parsed, self._dataset)), block.first):
                if segment.first <= at < segment.first + segment.count:
                    yield at, data


def _rows(found: pa.Table, share: Share) -> Iterator[tuple[int, bytes | None]]:
    """The rows of a block that are of a share, or may be, each with its id; None where there is no request, or the line
    has to be read: nothing tells then."""
    identifiers, heads = found.column("id").to_pylist(), found.column("request_head").is_null().to_pylist()
    for row, (identifier, alone) in enumerate(zip(identifiers, heads, strict=True)):
        if identifier is None or alone:
            yield row, None
        elif share.by_id(identifier.encode()) == share.number:
            yield row, identifier.encode()


def _newlines(lines: Any) -> dict[int, int]:
    """How many empty lines stand before an exchange, by its row, for those that have any."""
    if lines.null_count == len(lines):
        return {}
    return {row: count for row, data in enumerate(lines.to_pylist()) if data and (count := data.count(b"\n"))}


class StoredStream(Stream):
    """A dataset being read as a capture is."""

    def __init__(self, path: Path | str) -> None:
        self._dataset = open_dataset(path)
        self._parts = [StoredPart(self._dataset, segment) for segment in self._dataset.manifest.segments]
        super().__init__(self._parts[-1])
        self.path = self._dataset.path

    def parts(self) -> Iterator[Part | Gap]:
        """What was the files of the capture, in order, and what was missing between them; once."""
        absent = sorted(self._dataset.manifest.absent)
        for part in self._parts:
            while absent and absent[0] < part.header.segment:
                last = absent.pop(0)
                first = last
                while absent and absent[0] == last + 1 and absent[0] < part.header.segment:
                    last = absent.pop(0)
                yield Gap(first, last)
            yield part

    def is_absent(self, gap: Gap) -> str:
        """The line about segments that were not there."""
        return f"{self.path}: {gap} of this recording was not there when the dataset was made"
