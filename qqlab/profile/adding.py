"""How what was seen in two parts of the traffic adds up.

Law: the sum is the same whichever part takes the other in. What came first is what stands first in the capture, and
what stood in one exchange was seen in one of the parts, whose order stays. What is taken in is used up: it may be part
of the sum.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, Self, TypeVar

# Pieces of evidence for one fact, and examples of one thing.
KEPT = 5


class Counter(Protocol):
    """What adds up with another of its kind."""

    def merge(self, other: Self, /) -> None:
        """Count all of another one, too."""


_Of = TypeVar("_Of", bound=Counter)
_Key = TypeVar("_Key")
_Thing = TypeVar("_Thing")


def added(mine: dict[_Key, _Of], others: dict[_Key, _Of]) -> None:
    """Add up two mappings whose order is of no matter."""
    for key, other in others.items():
        if key in mine:
            mine[key].merge(other)
        else:
            mine[key] = other


def together(mine: dict[_Key, _Of], others: dict[_Key, _Of], since: Callable[[_Of], int]) -> dict[_Key, _Of]:
    """Both mappings added up, in order of appearance; `since` says where a value first stands."""
    mine_first = [key for key, value in mine.items() if key not in others or since(value) <= since(others[key])]
    others_first = [key for key, value in others.items() if key not in mine or since(value) < since(mine[key])]
    added(mine, others)
    return {key: mine[key] for key in sorted([*mine_first, *others_first], key=lambda key: since(mine[key]))}


def summed(mine: dict[_Key, int], others: dict[_Key, int]) -> None:
    """Add up counts."""
    for key, count in others.items():
        mine[key] = mine.get(key, 0) + count


def first_of(
    things: list[_Thing],
    ats: list[int],
    others: list[_Thing],
    other_ats: list[int],
    key: Callable[[_Thing], object] = lambda thing: thing,
) -> tuple[list[_Thing], list[int], bool]:
    """The first things of two lists that differ by `key`, where they stand, and whether there are more than are
    kept."""
    found: dict[object, tuple[int, _Thing]] = {}
    for at, thing in sorted([*zip(ats, things, strict=True), *zip(other_ats, others, strict=True)], key=_stand):
        found.setdefault(key(thing), (at, thing))
    first = list(found.values())[:KEPT]
    return [thing for _, thing in first], [at for at, _ in first], len(found) > KEPT


def _stand(pair: tuple[int, object]) -> int:
    return pair[0]


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times, as far as there are any."""
    return other if one is None or (other is not None and other < one) else one


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two times, as far as there are any."""
    return other if one is None or (other is not None and other > one) else one
