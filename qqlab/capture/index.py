"""Where the lines of each session stand in a capture, found without reading them.

Law: a look at the beginning of each line is enough where qqlab wrote it; of anything else there is no index, and who
wants one reads the capture as everybody does. What is indexed may still be damaged: that shows when a line is read.
"""

import mmap
import re
from array import array
from collections.abc import Iterable
from pathlib import Path

from qqlab.capture.file import Header, parse_header, parse_line
from qqlab.errors import InputError
from qqlab.exchange import Exchange

# Names that JSON escapes stand in no such line: to read them takes a decoder.
_BEGIN = re.compile(
    rb'\{"id":"([^"\\]+)","session":"([^"\\]*)","time":(?:null|"[^"\\]*"),"elapsed":[^,"]*,"client":"([^"\\]*)"'
)
_ID, _SESSION, _CLIENT = b'"id":', b'"session":', b'"client":'
_MOST_FIRST = 1 << 20
_MOST_LINE = 64 << 20


class Index:
    """The lines of a capture in one plain file. `together` are the sessions in sets: those of one set may have shared a
    connection. `sizes` says how many lines each session has; `count` how many there are."""

    def __init__(self, where: str, data: mmap.mmap, header: Header, ends: "array[int]") -> None:
        self.where = where
        self.header = header
        self._data = data
        self._ends = ends  # of each line, the header's first
        self._numbers: dict[str, array[int]] = {}
        self.together: list[frozenset[str]] = []

    @property
    def count(self) -> int:
        """How many exchanges there are."""
        return len(self._ends) - 1

    @property
    def sizes(self) -> dict[str, int]:
        """How many lines each session has."""
        return {session: len(numbers) for session, numbers in self._numbers.items()}

    def take(self, numbers: dict[bytes, "array[int]"], shared: Iterable[tuple[bytes, bytes]]) -> None:
        """These are the numbers of each session's lines, and the pairs of sessions that shared a client's address."""
        self._numbers = {session.decode(): mine for session, mine in numbers.items()}
        sets = {session: {session} for session in self._numbers}
        for one, other in shared:
            first, second = sets[one.decode()], sets[other.decode()]
            if first is not second:
                first |= second
                sets.update(dict.fromkeys(second, first))
        self.together = [frozenset(one) for one in {id(one): one for one in sets.values()}.values()]

    def numbers(self, sessions: Iterable[str]) -> list[int]:
        """The numbers of these sessions' lines, from 0, in the order of the file."""
        return sorted(number for session in sessions for number in self._numbers[session])

    def read(self, number: int) -> Exchange:
        """The exchange of a line. Raises InputError where it is damaged, or may not be what it seemed to be."""
        line = self._data[self._ends[number] : self._ends[number + 1] - 1]
        if not line.count(_ID) == line.count(_SESSION) == line.count(_CLIENT) == 1:
            raise InputError(f"{self.where}:{number + 2}", "may say twice whose it is")  # the last one would count
        return parse_line(line, self.where, number + 2)


def index(path: Path) -> Index | None:
    """The index of a capture; None where it is more than one plain file with lines as qqlab writes them, or where
    reading it would fail."""
    try:
        with path.open("rb") as file:
            first = file.readline(_MOST_FIRST)
            header, _ = parse_header(first, str(path)) if first.endswith(b"\n") else (None, 0)
            if header is None or header.segment != 1:
                return None
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, InputError):
        return None
    found = Index(str(path), data, header, array("q", [len(first)]))
    return found if _looked(found, data, found._ends) else None


def _looked(found: Index, data: mmap.mmap, ends: "array[int]") -> bool:
    """Look at the beginning of each line; whether all are as they should be."""
    look, find = _BEGIN.match, data.find
    numbers: dict[bytes, array[int]] = {}
    clients: dict[bytes, bytes] = {}
    shared: dict[tuple[bytes, bytes], None] = {}
    ids = _Ids()
    at, size, number = ends[0], len(data), 0
    while at < size:
        line = look(data, at)
        end = find(b"\n", at) + 1
        if line is None or not end or end - at > _MOST_LINE:
            return False
        identifier, session, client = line.groups()
        if not ids.add(identifier):
            return False
        mine = numbers.get(session)
        if mine is None:
            mine = numbers[session] = array("q")
        mine.append(number)
        if client and clients.setdefault(client, session) != session:
            shared[clients[client], session] = None
        ends.append(end)
        at = end
        number += 1
    try:
        found.take(numbers, shared)
    except UnicodeDecodeError:
        return False
    return number > 0


class _Ids:
    """Ids that were seen, in little room where they count up from 1, as those of recordings do."""

    def __init__(self) -> None:
        self._count = 0
        self._others: set[bytes] | None = None

    def add(self, identifier: bytes) -> bool:
        """Take note of one; whether it is new."""
        if self._others is None:
            if identifier == b"%d" % (self._count + 1):
                self._count += 1
                return True
            self._others = {b"%d" % number for number in range(1, self._count + 1)}
        size = len(self._others)
        self._others.add(identifier)
        return len(self._others) > size
