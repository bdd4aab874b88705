"""What a dataset holds, as its file `_qqlab.json` says: the header, and its blocks in order.

Law: it is written last, so that a directory without it is no whole dataset; and it tells how many exchanges each file
has, so that none can be missing unnoticed. Newer versions are refused by name.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from qqlab.capture.file import Redacted
from qqlab.capture.places import Folder, Url, is_url, place
from qqlab.errors import InputError

VERSION = 1
NAME = "_qqlab.json"
MARK = "qqlab_dataset"
"""Under this key a Parquet file says of which dataset it is."""

_HINT = "qqlab export --format parquet makes it anew"
# A list that came from elsewhere leads to no file outside.
_PATH = re.compile(r"day=\w[\w-]*/block-[0-9]+(?:-[0-9a-f]+)?\.parquet")
_PLAIN = (".jsonl", ".zst", ".json", ".txt")
# Ten million exchanges in blocks of a hundred take a hundredth of this.
_LONGEST = 1 << 30


class File(msgspec.Struct, frozen=True, array_like=True):
    """A Parquet file of a dataset: its path in the directory, how many exchanges it has, and how many bytes."""

    path: str
    count: int
    size: int


class Block(msgspec.Struct, frozen=True):
    """Exchanges that follow on each other in the capture: the first one's ordinal (from 0), how many there are, and
    the files that hold them, one for each day."""

    first: int
    count: int
    files: tuple[File, ...]


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of JSON lines that a dataset was made of.

    `header` is its first line, `first` the ordinal of its first exchange, `count` how many it had. `rest` are the bytes
    behind the last exchange's line: a last line that was cut off, or empty lines. `ended` tells whether the last line
    of all had its end.
    """

    header: str
    first: int
    count: int
    rest: bytes = b""
    ended: bool = True


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dataset.

    `qqlab_dataset` is the format's version. `tool` wrote it, `dataset` is a random name that its files share, `count`
    is how many exchanges there are. `spec` named `fingerprint` is what the decoded columns were made with. `redacted`
    is the header's. `segments` are what it was made of (one, unless it was a recording in segments), `absent` the
    numbers of those that were not there. `fields` are the fields of the messages in order of appearance, as columns of
    a frame are named; None where there were too many names to be listed.
    """

    qqlab_dataset: int
    tool: str
    dataset: str
    spec: str
    fingerprint: str
    redacted: Redacted
    count: int
    segments: tuple[Segment, ...]
    blocks: tuple[Block, ...]
    fields: tuple[str, ...] | None = None
    absent: tuple[int, ...] = ()


class _Version(msgspec.Struct, frozen=True):
    qqlab_dataset: int


def is_dataset(path: Path | str) -> bool:
    """Whether a path or URL is a directory rather than a file, and so a dataset if it can be read at all.

    Raises InputError where a URL cannot be reached.
    """
    at = place(path)
    if not isinstance(at, Url):
        return str(path) != "-" and at.is_dir()
    return at.suffix not in _PLAIN and Folder(at).has(NAME)


def read(folder: Folder) -> Manifest:
    """What a dataset holds. Raises InputError for a directory that is none, for half a one, and a newer or damaged
    one."""
    if not folder.has(NAME):
        raise _none(folder)
    with folder.reading(NAME) as file:
        data = file.read(_LONGEST)
    where = folder.where(NAME)
    try:
        version = msgspec.json.decode(data, type=_Version).qqlab_dataset
        if version > VERSION:
            hint = "use a newer qqlab"
            raise InputError(where, f"has dataset format {version}, and this qqlab reads up to {VERSION}", hint)
        found = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(where, f"is damaged: {error}", _HINT) from error
    if version < 1 or not _is_whole(found):
        raise InputError(where, "is damaged: its blocks do not follow on each other", _HINT)
    return found


def is_part(name: str) -> bool:
    """Whether a file in a directory is named as those of datasets are."""
    return name == NAME or _PATH.fullmatch(name) is not None


def not_whole(path: Path) -> InputError | None:
    """What is wrong with a URL that is no file, where half a dataset lies there."""
    if not is_url(path):
        return None
    with contextlib.suppress(InputError):
        if any(map(is_part, Folder(path).names())):
            return _none(Folder(path))
    return None


def encode(manifest: Manifest) -> bytes:
    """As the file has it."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def _none(folder: Folder) -> InputError:
    where = str(folder.path)
    if any(map(is_part, folder.names())):
        return InputError(where, f"is no whole dataset: it has no {NAME}", f"its writing was broken off; {_HINT}")
    return InputError(
        where, "is a directory, and no dataset", "name a capture, or what qqlab export --format parquet wrote"
    )


def _is_whole(manifest: Manifest) -> bool:
    spans = (*manifest.blocks, Block(manifest.count, 0, ()))
    sound = all(_PATH.fullmatch(file.path) for file in files(manifest)) and all(
        block.count == sum(file.count for file in block.files) for block in manifest.blocks
    )
    return sound and _follow(spans) and _follow((*manifest.segments, spans[-1])) and bool(manifest.segments)


def _follow(spans: Sequence[Block | Segment]) -> bool:
    return spans[0].first == 0 and all(one.first + one.count == other.first for one, other in pairwise(spans))


def files(manifest: Manifest) -> Iterator[File]:
    """All files, in order of the blocks."""
    return (file for block in manifest.blocks for file in block.files)
