"""What the values of one field look like: how many different ones, of which type, how long, how large.

Law: bounded: so many different values are told apart, of more it is known that there are more. Of masked values, and of
long ones, nothing is kept by which they could be read: a hash tells them apart. Everything but the first examples
is the same in whatever order the values come.
"""

import re

import msgspec

from qqlab.codec import Scalar
from qqlab.profile.tally import LENGTH, Examples
from qqlab.spec import FieldType

# How many different values of a field are told apart: of one that the spec has, and of another.
DISTINCT = 256
DISTINCT_UNKNOWN = 32

# What a text can be, by bits: the spec's types that take no look into a table.
_BITS: dict[FieldType, int] = {"int": 1, "digits": 2, "version": 4, "hex": 8}
_ALL = 15
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)+")
_MOST_DIGITS = 18


class Values(msgspec.Struct):
    """The values of a field, by item where it is a list, without the empty ones.

    `counts` has short ones that are not masked; `hashes` tell the others apart. `more` counts those that were seen
    when there was no room to tell whether they are new. `fits` are the types that all are of, as bits; `low` and
    `high` the range as long as all are `numbers`.
    """

    room: int = DISTINCT
    masked: bool = False
    total: int = 0
    counts: dict[Scalar, int] = {}
    hashes: set[int] = set()
    more: int = 0
    fits: int = _ALL
    numbers: bool = True
    low: int | None = None
    high: int | None = None
    shortest: int | None = None
    longest: int = 0
    examples: Examples = msgspec.field(default_factory=Examples)

    def add(self, value: Scalar) -> None:
        """Count one value."""
        self.total += 1
        count = self.counts.get(value)
        if count is not None:
            self.counts[value] = count + 1
        else:
            self._add(value)

    def _add(self, value: Scalar) -> None:
        """Count one that is new, masked or long."""
        text = str(value)
        if self.masked or len(text) > LENGTH:
            known = hash(text)
            if known in self.hashes:
                return
            if self._has_room():
                self.hashes.add(known)
        elif self._has_room():
            self.counts[value] = 1
        self._look(text)

    def _has_room(self) -> bool:
        if len(self.counts) + len(self.hashes) < self.room:
            return True
        self.more += 1
        return False

    def _look(self, text: str) -> None:
        length = len(text)
        self.longest = max(self.longest, length)
        self.shortest = length if self.shortest is None else min(self.shortest, length)
        if not self.examples.more:
            self.examples.add(text, self.masked)
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
        return self.more == 0

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
