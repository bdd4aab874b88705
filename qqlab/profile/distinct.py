"""How many different things there are, where they are too many to be told apart: an estimate.

Law: a HyperLogLog, two kilobytes at most. The estimate is of the set that was seen, and the same in whatever order and
parts it was seen; it is off by about two parts in a hundred (the standard error), and rounded to two digits.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

# 2**11 registers of a byte each.
_SIZE = 11


@cache
def _library() -> Any:
    """What estimates. It takes numpy along, and most captures need none of it."""
    import datasketches  # noqa: PLC0415

    return datasketches


class Distinct:
    """Things seen, by their ranks."""

    def __init__(self, state: bytes | None = None) -> None:
        self._sketch: Any = (
            _library().hll_sketch(_SIZE, _library().HLL_8)
            if state is None
            else _library().hll_sketch.deserialize(state)
        )

    def __reduce__(self) -> tuple[type["Distinct"], tuple[bytes]]:
        return Distinct, (self.state(),)

    def state(self) -> bytes:
        """What it takes to make it again."""
        return bytes(self._sketch.serialize_compact())

    def add(self, at: int) -> None:
        """See one; `at` is its rank."""
        self._sketch.update(at)

    def add_all(self, ats: Iterable[int]) -> None:
        """See many."""
        for at in ats:
            self._sketch.update(at)

    def merge(self, other: "Distinct") -> None:
        """See all that another one saw."""
        union = _library().hll_union(_SIZE)
        union.update(self._sketch)
        union.update(other._sketch)
        self._sketch = union.get_result(_library().HLL_8)

    def count(self, others: Iterable[int] = ()) -> int:
        """About how many there are, and things of other ranks with them."""
        union = _library().hll_union(_SIZE)
        union.update(self._sketch)
        for at in others:
            union.update(at)
        # A sketch remembers in which order it was filled, and estimates by that. One that was put together does not.
        whole, once_more = union.get_result(_library().HLL_8), _library().hll_union(_SIZE)
        for _ in range(2):
            once_more.update(whole)
        return int(float(f"{once_more.get_estimate():.2g}"))


def united(one: Distinct | None, other: Distinct | None) -> Distinct | None:
    """What either saw; None where neither had to. The first takes the other in."""
    if one is None or other is None:
        return one or other
    one.merge(other)
    return one
