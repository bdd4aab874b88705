"""Rows of two messages: friends by their number, messages by their order.

Law: rows with a key are found by it, wherever they stand, and a row of which nothing but the key changed by its
place; rows without are aligned, so that one row left out is one deviation and not one for every row behind it. A
column that only one side has is not looked at here. Time and memory are bounded by the number of rows.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest

from qqlab.codec import Field, Message, Scalar
from qqlab.diff.finding import Deviation, unlike
from qqlab.diff.values import accounts, said
from qqlab.spec import Command, Rows, Spec

# Aligning takes, at worst, the product of both lengths and more; longer tables are compared place by place.
MOST_ALIGNED = 200

_COMPLETE = 1  # the value of a paged list's field that says so

_Row = tuple[Scalar, ...]


def compare_rows(rows: Rows, command: Command, expected: Message, actual: Message, spec: Spec) -> Iterator[Deviation]:
    """The deviations of one table, in columns that both messages have."""
    columns = [name for name in rows.columns if _comparable(expected.get(name), actual.get(name))]
    uneven = _uneven(expected, actual, columns), _uneven(actual, expected, columns)
    for name in columns:
        if (name in uneven[0]) != (name in uneven[1]):
            lengths = len(_items(expected, name)), len(_items(actual, name))
            yield Deviation("list.length", name, None, f"{lengths[0]} items", f"{lengths[1]} items")
    columns = [name for name in columns if (name in uneven[0]) == (name in uneven[1])]
    if columns:
        yield from _Tables(rows, command, columns, expected, actual, spec).deviations()


def _items(message: Message, name: str) -> tuple[Scalar, ...]:
    value = message.value(name)
    return value if isinstance(value, tuple) else ()


def _comparable(expected: Field | None, actual: Field | None) -> bool:
    """Whether both sides have a column, as a list or not: a name alone is none."""
    return expected is not None and actual is not None and (expected.raw is None) == (actual.raw is None)


def _uneven(message: Message, other: Message, columns: Sequence[str]) -> frozenset[str]:
    """The columns whose length is not that of most; where no length is that of most, not the other side's."""
    lengths = {name: len(_items(message, name)) for name in columns}
    if len(set(lengths.values())) < 2:
        return frozenset()
    counts = Counter(lengths.values())
    others = {len(_items(other, name)) for name in columns}
    usual = max(counts, key=lambda length: (counts[length], length in others, length))
    return frozenset(name for name, length in lengths.items() if length != usual)


class _Tables:
    """Two tables of the same columns."""

    def __init__(
        self, rows: Rows, command: Command, columns: list[str], expected: Message, actual: Message, spec: Spec
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.known = [command.field(rows.direction, name) for name in columns]
        self.expected = list(zip_longest(*(_items(expected, name) for name in columns)))
        self.actual = list(zip_longest(*(_items(actual, name) for name in columns)))
        self.spec = spec
        self.ordered = rows.ordered or any(_goes_on(command, message) for message in (expected, actual))

    def deviations(self) -> Iterator[Deviation]:
        shifted = self._shifted()
        if shifted is not None:
            sides = (self._column(rows, shifted) for rows in (self.expected, self.actual))
            yield unlike("list.order", self.columns[shifted], None, sides)
        elif self.rows.key in self.columns:
            yield from self._by_key(self.columns.index(self.rows.key))
        else:
            yield from self._by_place()

    def _shifted(self) -> int | None:
        """The one column whose items stand at other places while all beside it is the same; None where there is no
        such column, or the rows are the same as wholes."""
        if self.expected == self.actual or len(self.expected) != len(self.actual):
            return None
        if Counter(self.expected) == Counter(self.actual):
            return None
        lists = list(zip(zip(*self.expected, strict=True), zip(*self.actual, strict=True), strict=True))
        unlike = [index for index, (left, right) in enumerate(lists) if left != right]
        if len(unlike) != 1:
            return None
        left, right = lists[unlike[0]]
        known = self.known[unlike[0]]
        return unlike[0] if Counter(left) == Counter(right) and not (known is not None and known.secret) else None

    def _column(self, rows: Sequence[_Row], index: int) -> str:
        cells = (said(row[index], self.known[index], self.spec, self._beside(row)) for row in rows)
        return ", ".join(cells)

    def _by_key(self, column: int) -> Iterator[Deviation]:
        expected, actual = _keyed(self.expected, column), _keyed(self.actual, column)
        renamed = _renamed(expected, actual, column)
        for key, row in expected.items():
            counterpart = renamed if renamed is not None and key not in actual else key
            if counterpart in actual:
                yield from self._cells(key, row, actual[counterpart])
            else:
                yield Deviation("row.missing", self.rows.key, key, expected=self._said(row), about=self._about(row))
        for key, row in actual.items():
            if key not in expected and key != renamed:
                yield Deviation("row.extra", self.rows.key, key, actual=self._said(row), about=self._about(row))
        orders = [key for key in expected if key in actual], [key for key in actual if key in expected]
        if orders[0] != orders[1]:
            rule = "row.order" if self.ordered else "row.permuted"
            yield Deviation(rule, self.rows.key, None, ", ".join(orders[0]), ", ".join(orders[1]))

    def _by_place(self) -> Iterator[Deviation]:
        if self.expected != self.actual and Counter(self.expected) == Counter(self.actual):
            yield unlike("row.order", None, None, (self._labels(rows) for rows in (self.expected, self.actual)))
            return
        gone: list[int] = []
        come: list[int] = []
        for left, right in aligned(self.expected, self.actual):
            if left is not None and right is not None:
                yield from self._cells(f"#{left + 1}", self.expected[left], self.actual[right])
            elif left is not None:
                gone.append(left)
            elif right is not None:
                come.append(right)
        for row, label in ((self.expected[left], f"#{left + 1}") for left in gone):
            yield Deviation("row.missing", None, label, expected=self._said(row), about=self._about(row))
        for row, label in ((self.actual[right], f"#{right + 1}") for right in come):
            yield Deviation("row.extra", None, label, actual=self._said(row), about=self._about(row))

    def _cells(self, label: str, expected: _Row, actual: _Row) -> Iterator[Deviation]:
        for index, name in enumerate(self.columns):
            known = self.known[index]
            if expected[index] == actual[index] or (known is not None and known.secret):
                continue
            sides = [said(row[index], known, self.spec, self._beside(row)) for row in (expected, actual)]
            yield unlike("row.value", name, label, sides)._replace(about=self._about(expected))

    def _about(self, row: _Row) -> tuple[str, ...]:
        return accounts(zip(self.known, row, strict=True))

    def _labels(self, rows: Sequence[_Row]) -> str:
        """The rows in their order, each by the place that it has among the expected ones."""
        places: dict[_Row, list[int]] = {}
        for place, row in enumerate(self.expected, 1):
            places.setdefault(row, []).append(place)
        free = {row: iter(numbers) for row, numbers in places.items()}
        return ", ".join(f"#{next(free[row])}" for row in rows)

    def _beside(self, row: _Row) -> dict[str, Scalar]:
        return dict(zip(self.columns, row, strict=True))

    def _said(self, row: _Row) -> str:
        beside = self._beside(row)
        return ", ".join(
            f"{name} {said(cell, known, self.spec, beside)}"
            for name, known, cell in zip(self.columns, self.known, row, strict=True)
        )


def _keyed(rows: Sequence[_Row], column: int) -> dict[str, _Row]:
    """The rows by their key; a key that comes again is told apart by a number."""
    keyed: dict[str, _Row] = {}
    seen: Counter[str] = Counter()
    for row in rows:
        key = "" if row[column] is None else str(row[column])
        seen[key] += 1
        keyed[key if seen[key] == 1 else f"{key} ({seen[key]})"] = row
    return keyed


def _renamed(expected: dict[str, _Row], actual: dict[str, _Row], column: int) -> str | None:
    """The new key of the one row that has got another one and is the same beside it, at the same place; None where
    there is no such row, or more."""
    gone = [key for key in expected if key not in actual]
    come = [key for key in actual if key not in expected]
    if len(gone) != 1 or len(come) != 1 or list(expected).index(gone[0]) != list(actual).index(come[0]):
        return None
    left, right = expected[gone[0]], actual[come[0]]
    return come[0] if left[:column] + left[column + 1 :] == right[:column] + right[column + 1 :] else None


def _goes_on(command: Command, message: Message) -> bool:
    """Whether a message holds only a part of a list, so that its last row says where the next part begins."""
    return command.paging is not None and message.value(command.paging.complete) not in (None, _COMPLETE)


def aligned(expected: Sequence[Hashable], actual: Sequence[Hashable]) -> Iterator[tuple[int | None, int | None]]:
    """Places in both sequences that belong together; None for what has no counterpart."""
    start = 0
    while start < min(len(expected), len(actual)) and expected[start] == actual[start]:
        start += 1
    yield from zip(range(start), range(start), strict=True)
    left, right = expected[start:], actual[start:]
    if max(len(left), len(right)) > MOST_ALIGNED:
        blocks = [("replace", 0, len(left), 0, len(right))]
    else:
        blocks = list(SequenceMatcher(None, left, right, autojunk=False).get_opcodes())
    for _, i, i_end, j, j_end in blocks:
        yield from zip_longest(range(start + i, start + i_end), range(start + j, start + j_end))
