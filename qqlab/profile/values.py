"""What the values of one field look like: how many different ones, of which type, how long, how large.

Law: bounded: so many different values are told apart, those of the lowest rank (`qqlab.profile.lowest`); of more it is
known how many there are, about. Of masked values, and of long ones, nothing is kept by which they could be read: their
rank tells them apart. Everything but the first examples is the same in whatever order the values come.
"""

import re
from collections.abc import Callable

import msgspec

from qqlab.codec import Scalar
from qqlab.profile.distinct import Distinct, united
from qqlab.profile.lowest import Lowest, lowest, rank
from qqlab.profile.tally import LENGTH, Examples
from qqlab.spec import FieldType

# How many different values of a field are told apart: of one that the spec has, and of another.
DISTINCT = 256
DISTINCT_UNKNOWN = 32

# What a text can be, by bits: the spec's types that take no look into a table.
_BITS: dict[FieldType, int] = {"int": 1, "digits": 2, "version": 4, "hex": 8}
_ALL = 15
_OF_DIGITS = 14
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)+")
_MOST_DIGITS = 18

# What is told apart: a number, a text, or what is known by its rank only; and by what.
_NUMBER, _TEXT, _HASHED = range(3)
_Key = tuple[int, Scalar]


class Values(msgspec.Struct, array_like=True, gc=False):
    """The values of a field, by item where it is a list, without the empty ones.

    `counts` has short ones that are not masked; `hashes`, their ranks, tell the others apart. `about` is how many
    different ones there are, an estimate; None where they are all told apart, and until the values are `settled`.
    `fits` are the types that all are of, as bits; `low` and `high` the range as long as all are `numbers`.
    """

    room: int = DISTINCT
    masked: bool = False
    total: int = 0
    counts: dict[Scalar, int] = {}
    hashes: set[int] = set()
    about: int | None = None
    fits: int = _ALL
    numbers: bool = True
    low: int | None = None
    high: int | None = None
    shortest: int | None = None
    longest: int = 0
    examples: Examples = msgspec.field(default_factory=Examples)
    lowest: Lowest[_Key] | None = None
    beyond: Distinct | None = None

    def add(self, value: Scalar, at: int = 0, count: int = 1) -> None:
        """Count a value of the exchange that stands at `at`; as often as others have it, too."""
        self.total += count
        known = self.counts.get(value)
        if known is not None:
            self.counts[value] = known + count
        else:
            self._add(value, at, count)

    def add_all(self, counts: dict[Scalar, int]) -> None:
        """Count values, each as often as it says, without keeping examples of them."""
        self.total += sum(counts.values())
        mine = self.counts
        new: list[Scalar] = []
        for value, count in counts.items():
            known = mine.get(value)
            if known is not None:
                mine[value] = known + count
            else:
                new.append(value)
        if not new:
            return
        texts = [str(value) for value in new]
        self._look_all(texts)
        if self.masked or max(map(len, texts)) > LENGTH:
            for value, text in zip(new, texts, strict=True):
                if self.masked or len(text) > LENGTH:
                    self._hash(rank(text))
                else:
                    self._count(value, counts[value])
        elif self.lowest is None or self.beyond is None:
            for value in new:
                self._count(value, counts[value])
        else:
            self._count_lowest(new, texts, counts)

    def _count_lowest(self, new: list[Scalar], texts: list[str], counts: dict[Scalar, int]) -> None:
        """Count new ones when there are so many already that few of them are kept."""
        assert self.lowest is not None
        assert self.beyond is not None
        last, see = self.lowest.order[-1][0], self.beyond.add
        for value, at in zip(new, map(rank, texts), strict=True):
            if at > last:  # as those that were kept and make room can only be lower
                see(at)
            else:
                self._count(value, counts[value])

    def merge(self, other: "Values") -> None:
        """Count all of another field's values, too."""
        self.total += other.total
        self.fits &= other.fits
        self.numbers = self.numbers and other.numbers
        self.low = _best(min, self.low, other.low) if self.numbers else None
        self.high = _best(max, self.high, other.high) if self.numbers else None
        self.shortest = _best(min, self.shortest, other.shortest)
        self.longest = max(self.longest, other.longest)
        self.examples.merge(other.examples)
        beyond = other.beyond
        if self.lowest is not None or beyond is not None:
            self._take(self._close(), other)
            self.beyond = united(self.beyond, beyond)
            return
        for value, count in other.counts.items():
            self._count(value, self.counts.get(value, 0) + count)
        for known in other.hashes:
            self._hash(known)

    def _take(self, mine: Lowest[_Key], other: "Values") -> None:
        """Count the values of another field where few of them are kept; it is known from which rank on none is."""
        counts, order = self.counts, other._close().order
        for place, (at, key) in enumerate(order):
            kind, value = key
            if kind != _HASHED and value in counts:
                counts[value] += other.counts[value]
            elif mine.is_full and (at, key) > mine.order[-1]:
                assert self.beyond is not None
                self.beyond.add_all(at for at, _ in order[place:])
                return
            elif kind == _HASHED:
                self._hash(at)
            else:
                self._count(value, other.counts[value])

    def settled(self) -> "Values":
        """The same, without what only counting needs."""
        if self.beyond is None:
            return self
        about = max(self.distinct + 1, self.beyond.count(at for at, _ in self._close().order))
        return msgspec.structs.replace(self, about=about, lowest=None, beyond=None)

    def _add(self, value: Scalar, at: int, count: int) -> None:
        """Count one that is new, masked or long."""
        text = str(value)
        if self.masked or len(text) > LENGTH:
            known = rank(text)
            if known in self.hashes:
                return
            self._hash(known)
        else:
            self._count(value, count)
        self._look(text, at)

    def _hash(self, known: int) -> None:
        if known in self.hashes or self._has_room((_HASHED, known)):
            self.hashes.add(known)

    def _count(self, value: Scalar, count: int) -> None:
        if value in self.counts or self._has_room((_NUMBER if isinstance(value, int) else _TEXT, value)):
            self.counts[value] = count

    def _close(self) -> Lowest[_Key]:
        """The order of what is kept, from when on more must be told from it."""
        if self.lowest is None:
            keys = [(_NUMBER if isinstance(value, int) else _TEXT, value) for value in self.counts]
            self.lowest = lowest([*keys, *((_HASHED, known) for known in self.hashes)], self.room, _ranked)
            self.beyond = Distinct()
        return self.lowest

    def _has_room(self, key: _Key) -> bool:
        """Whether a new value is kept; another one may have to go for it."""
        if self.lowest is None and self.distinct < self.room:
            return True
        gone = self._close().admit(key, _ranked(key))
        if gone is not None and self.beyond is not None:
            self.beyond.add(_ranked(gone))
            if gone[0] == _HASHED and gone != key:
                self.hashes.discard(int(gone[1] or 0))
            elif gone != key:
                del self.counts[gone[1]]
        return gone != key

    def _look(self, text: str, at: int) -> None:
        length = len(text)
        self.longest = max(self.longest, length)
        self.shortest = length if self.shortest is None else min(self.shortest, length)
        if not self.examples.more:
            self.examples.add(text, self.masked, at)
        if self.fits:
            self.fits &= fitting(text)
        if self.numbers:
            self._number(text)

    def _look_all(self, texts: list[str]) -> None:
        """Look at new ones but for examples."""
        lengths = list(map(len, texts))
        shortest, longest = min(lengths), max(lengths)
        self.longest = max(self.longest, longest)
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        whole = "".join(texts)
        if longest <= _MOST_DIGITS and whole.isdecimal() and whole.isascii():
            # All that hangs on more than their being digits: which are written as an int is, and their range.
            self.fits &= _OF_DIGITS if any(map(_leads, texts)) else _ALL
            if self.numbers and not self.masked:
                low, high = min(map(int, texts)), max(map(int, texts))
                self.low, self.high = _best(min, self.low, low), _best(max, self.high, high)
            return
        for text in texts:
            if self.fits:
                self.fits &= fitting(text)
            if self.numbers:
                self._number(text)

    def _number(self, text: str) -> None:
        digits = text.removeprefix("-")
        if not (digits.isdecimal() and digits.isascii() and len(digits) <= _MOST_DIGITS):
            self.numbers, self.low, self.high = False, None, None
        elif not self.masked:
            number = int(text)
            self.low = number if self.low is None or number < self.low else self.low
            self.high = number if self.high is None or number > self.high else self.high

    @property
    def distinct(self) -> int:
        """How many different values were told apart."""
        return len(self.counts) + len(self.hashes)

    @property
    def complete(self) -> bool:
        """Whether those are all."""
        return self.beyond is None and self.about is None

    def is_all(self, kind: FieldType) -> bool:
        """Whether there are values, and all are of a type."""
        if kind == "text":
            return self.total > 0
        bits = _BITS["int"] if kind == "code" else _BITS[kind]
        return self.total > 0 and self.fits & bits != 0

    @property
    def narrowest(self) -> FieldType | None:
        """The narrowest type that all are of; None without any value."""
        if not self.total:
            return None
        return next((kind for kind, bit in _BITS.items() if self.fits & bit), "text")


def _ranked(key: _Key) -> int:
    kind, value = key
    return value if kind == _HASHED and isinstance(value, int) else rank(str(value))


def _leads(digits: str) -> bool:
    """Whether a zero leads other digits."""
    return digits[0] == "0" and digits != "0"


def _best(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    """The choice of two numbers, as far as there are any."""
    return other if one is None else one if other is None else choose(one, other)


def fitting(text: str) -> int:
    """The types that a value is of, as bits. A version is any run of numbers with dots."""
    core = text.strip(" ")
    if core.isdecimal() and core.isascii():
        is_int = _INT.fullmatch(core) is not None
        return _BITS["digits"] | _BITS["version"] | _BITS["hex"] | (_BITS["int"] if is_int else 0)
    if _INT.fullmatch(core) is not None:
        return _BITS["int"]
    if _HEX.fullmatch(core) is not None:
        return _BITS["hex"]
    return _BITS["version"] if _VERSION.fullmatch(core) is not None else 0
