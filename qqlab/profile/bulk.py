"""Exchanges of one kind, counted at once: what is the same of all of them as often as there are some, and what differs
column by column.

Law: the profile is that which `qqlab.profile.fold` makes of the exchanges one by one. The first exchange of a kind
(`qqlab.codec.shapes`) is always counted by itself, so that all of which there is a count stands there, in order of
appearance. The others wait, so many at most.
"""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from qqlab.codec import Cell, Column, Decoded, Kind, Kinds, Parts, Scalar
from qqlab.exchange import Exchange
from qqlab.profile.messages import Cases, MessageFold
from qqlab.profile.model import CommandTally, FieldTally, Profile
from qqlab.profile.names import Names
from qqlab.profile.sessions import Steady
from qqlab.profile.tally import Cited, Evidence, Examples
from qqlab.spec import Spec

# Exchanges that wait at most.
MOST = 20_000


class Row(NamedTuple):
    """An exchange that waits, and the parts of its bodies."""

    cited: Cited
    exchange: Exchange
    parts: Parts


class _Columns:
    """The exchanges that wait of some kinds with the same columns, of one version and one command."""

    __slots__ = ("account", "columns", "example", "own", "rows", "version")

    def __init__(self, kind: Kind, own: CommandTally, account: Cell | None, version: str | None) -> None:
        self.columns = kind.columns
        self.example = kind.example
        self.own = own
        self.account = account
        self.version = version
        self.rows: list[Row] = []


class Heap:
    """The exchanges of one kind: those that wait, among others with the same `columns`, and all that were there, as
    `evidence`.

    The first one, which was counted by itself, is `decoded`. `ok` is whether their replies tell success, `own` the
    tally of their command, `steady` what they tell of their sessions, None where that differs.
    """

    __slots__ = ("columns", "decoded", "evidence", "ok", "own", "steady", "waiting")

    def __init__(
        self, columns: _Columns, decoded: Decoded, ok: bool | None, own: CommandTally, steady: Steady | None
    ) -> None:
        self.columns = columns
        self.decoded = decoded
        self.ok = ok
        self.own = own
        self.steady = steady
        self.waiting: list[Cited] = []
        self.evidence = Evidence()


class Bulk:
    """What waits to be counted."""

    def __init__(self, spec: Spec, kinds: Kinds, profile: Profile, messages: MessageFold) -> None:
        self.spec = spec
        self.kinds = kinds
        self.profile = profile
        self.messages = messages
        self.heaps: dict[Kind, Heap] = {}
        self.rows: list[Row] = []
        self._columns: dict[object, _Columns] = {}

    def begin(self, kind: Kind, ok: bool | None, own: CommandTally, steady: Steady | None) -> None:
        """Let exchanges of a kind wait, of which the first was counted."""
        account, version = kind.role(self.spec.roles.account), kind.example.version
        key = (
            *(id(own), version, None if account is None or account.column is not None else account.text),
            tuple((one.direction, one.known.name, one.part, id(one.read)) for one in kind.columns),
        )
        if key not in self._columns:
            self._columns[key] = _Columns(kind, own, account, version if version in self.spec.versions else None)
        self.heaps[kind] = Heap(self._columns[key], kind.example, ok, own, steady)

    def add(self, heap: Heap, row: Row) -> None:
        """Let an exchange wait with others of its kind."""
        heap.columns.rows.append(row)
        heap.waiting.append(row.cited)
        self.rows.append(row)
        if len(self.rows) >= MOST:
            self.count()

    def count(self) -> None:
        """Count what differs among those that wait."""
        self._names()
        self.rows.clear()
        for columns in self._columns.values():
            if columns.rows:
                self._count(columns)
                columns.rows.clear()
        for heap in self.heaps.values():
            if heap.waiting:
                heap.evidence.add_all(heap.waiting)
                heap.waiting.clear()

    def done(self) -> None:
        """Count the rest: nothing waits any more."""
        self.count()
        for heap in self.heaps.values():
            if heap.evidence.count:
                self._kind(heap)
        self.heaps.clear()

    def _names(self) -> None:
        total, rows = self.profile, self.rows
        ats = [row.cited.at for row in rows]
        _add(total.sessions, [row.exchange.session for row in rows], ats)
        _add(total.clients, [host(row.exchange.client) for row in rows], ats)
        _add(total.servers, [row.exchange.server for row in rows], ats)

    def _count(self, columns: _Columns) -> None:
        rows, own = columns.rows, columns.own
        own.latency.add_all([row.exchange.elapsed for row in rows if row.exchange.elapsed is not None])
        parts = [row.parts for row in rows]
        raws: dict[int, list[bytes]] = {}
        counts: dict[int, Counter[bytes]] = {}
        # What repeats the request's is mostly read alike.
        values: dict[tuple[int, int], dict[Scalar, int]] = {}
        for column in columns.columns:
            part = column.part
            if part not in raws:
                raws[part] = list(map(itemgetter(part), parts))
                counts[part] = Counter(raws[part])
            alike = part, id(column.read)
            if alike not in values:
                values[alike] = self._values(column, counts[part])
            if values[alike]:
                tally = own.request if column.direction == "request" else own.reply
                mine = tally.fields[column.known.name]
                mine.values.add_all(values[alike])
                self._examples(columns, mine, column, raws[part], counts[part])
                if column.known.codes is not None:
                    self._codes(columns, mine, column, column.known.codes, raws[part])
        account = columns.account
        if account is not None and account.column is not None:
            self._accounts(columns, account.column, raws[account.column.part], counts[account.column.part])
        elif account is not None and account.text:
            self.profile.accounts.add(account.text, rows[0].cited.at, len(rows))

    def _accounts(self, columns: _Columns, column: Column, raws: list[bytes], counts: Counter[bytes]) -> None:
        first = dict(zip(reversed(raws), [row.cited.at for row in reversed(columns.rows)], strict=True))
        for raw, count in counts.items():
            read = self.kinds.read(column, raw)
            if read is not None and read[1]:
                self.profile.accounts.add(read[1], first[raw], count)

    def _values(self, column: Column, counts: Counter[bytes]) -> dict[Scalar, int]:
        """How often each value is there, by how often each cell is."""
        texts = self.kinds.texts(column, counts.keys())
        if texts is not None:
            return dict(zip(texts, counts.values(), strict=True))
        values: dict[Scalar, int] = {}
        for raw, count in counts.items():
            for item in self._items(column, raw):
                values[item] = values.get(item, 0) + count
        return values

    def _items(self, column: Column, raw: bytes) -> Iterable[Scalar]:
        """The values in a cell, without empty ones."""
        read = self.kinds.read(column, raw)
        assert read is not None
        value = read[0]
        if isinstance(value, tuple):
            return (item for item in value if item is not None)
        return () if value is None else (value,)

    def _examples(
        self, columns: _Columns, mine: FieldTally, column: Column, raws: list[bytes], counts: Iterable[bytes]
    ) -> None:
        """Keep the first distinct values; `counts` has the cells in order of appearance."""
        known, rows = mine.values.examples, columns.rows
        if known.more and known.ats[-1] < rows[0].cited.at:
            return
        found = Examples()
        for raw in counts:
            at = rows[raws.index(raw)].cited.at
            for item in self._items(column, raw):
                found.add(str(item), mine.values.masked, at)
            if found.more:
                break
        known.merge(found)

    def _codes(self, columns: _Columns, mine: FieldTally, column: Column, table: str, raws: list[bytes]) -> None:
        rows: dict[bytes, list[Cited]] = {}
        for raw, row in zip(raws, columns.rows, strict=True):
            rows.setdefault(raw, []).append(row.cited)
        for raw, cited in rows.items():
            evidence = Evidence()
            evidence.add_all(cited)
            cases = Cases(evidence, cited[0].at, columns.example, None, columns.version, frozenset())
            for item in self._items(column, raw):
                if isinstance(item, int):
                    self.messages.code(cases, mine, -1, table, item)

    def _kind(self, heap: Heap) -> None:
        """Count what is the same of all of a kind."""
        total, own, decoded, evidence = self.profile, heap.own, heap.decoded, heap.evidence
        many, version = evidence.count, decoded.version
        total.exchanges += many
        total.requests += many
        total.replies += many
        if version:
            total.versions.add(version, evidence.ats[0], many)
        for code, count in Counter(note.code for note in decoded.notes).items():
            total.notes[code].count += count * many
            total.notes[code].exchanges.merge(evidence)
        own.exchanges.merge(evidence)
        if version in self.spec.versions:
            own.versions[version] = own.versions.get(version, 0) + many
        if isinstance(decoded.status, int):
            own.status(decoded.status, many)
        else:
            own.stateless += many
        varying = frozenset((column.direction, column.known.name) for column in heap.columns.columns)
        cases = Cases(evidence, evidence.ats[0], decoded, heap.ok, heap.columns.version, varying)
        for message in decoded.messages():
            self.messages.add(cases, own.request if message.direction == "request" else own.reply, message, cut=False)


def host(address: str) -> str:
    """A client's host: its port differs with every connection."""
    name, colon, port = address.rpartition(":")
    return name if colon and port.isdecimal() else address


def _add(names: Names, these: list[str], ats: list[int]) -> None:
    """Count names, each of which was said at such a place."""
    first = dict(zip(reversed(these), reversed(ats), strict=True))
    for name, count in Counter(these).items():
        if name:
            names.add(name, first[name], count)
