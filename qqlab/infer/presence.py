"""Whether a field must stand in a message: always, in some versions, or when a code beside it says so.

Law: pure; of one command's messages in one direction. What a condition claims, holds in all messages that were seen:
no message with the value lacks the field, none without it has it, and there are enough of each.
"""

from collections import Counter
from collections.abc import Callable, Collection
from typing import NamedTuple

from qqlab.infer.support import ALWAYS, SIDE, bound, holds
from qqlab.infer.tally import MessageTally


class Presence(NamedTuple):
    """What is claimed of a field's presence, and why. `values` are those of the field `beside` with which it stands
    there."""

    required: bool = False
    beside: str = ""
    values: tuple[int, ...] = ()
    versions: tuple[str, ...] = ()
    why: str = ""
    doubt: str = ""


def present(own: MessageTally, name: str, good: Callable[[str], bool], no_condition: Collection[str]) -> Presence:
    """Whether a field must stand in the messages whose status is good."""
    has = {number for names, number in own.layouts.items() if name in names}
    with_it = sum(count for (status, number), count in own.statuses.items() if good(status) and number in has)
    total = sum(count for (status, _), count in own.statuses.items() if good(status))
    if total == 0:
        return Presence(doubt="only in messages of no good status")
    if holds(with_it, total - with_it, ALWAYS):
        return Presence(required=True, why=f"in {with_it} of {total}: {bound(total)}")
    if with_it == total:
        return Presence(doubt=f"under-sampled: in all {total}, too few to call it required")
    return (
        _versioned(own, has, good)
        or _conditional(own, has, total, good, no_condition)
        or Presence(why=f"in {with_it} of {total}")
    )


def _sides(own: MessageTally, has: set[int], good: Callable[[str], bool], beside: str) -> dict[str, tuple[int, int]]:
    """For each value of a field beside it: in how many messages it stands, and in how many not."""
    there, absent = Counter[str](), Counter[str]()
    for (status, name, value, number), count in own.conditions.items():
        if name == beside and good(status):
            (there if number in has else absent)[value] += count
    return {value: (there[value], absent[value]) for value in there | absent}


def _versioned(own: MessageTally, has: set[int], good: Callable[[str], bool]) -> Presence | None:
    """A field of some versions only: where the command was heard often enough in others, without it."""
    sides = _sides(own, has, good, "")
    inside = {version: counts for version, counts in sides.items() if counts[0]}
    without = sum(absent for version, (there, absent) in sides.items() if not there)
    with_it = sum(there for there, _ in inside.values())
    if "" in inside or without < ALWAYS or with_it < ALWAYS:
        return None
    told = ", ".join(inside)
    return Presence(versions=tuple(inside), why=f"{with_it} times in version {told}, in none of {without} others")


def _conditional(
    own: MessageTally, has: set[int], total: int, good: Callable[[str], bool], no_condition: Collection[str]
) -> Presence | None:
    """A field that stands there with some values of a code beside it, and never with others."""
    best: list[tuple[int, int, str, dict[str, tuple[int, int]]]] = []
    for place, beside in enumerate(own.condition_values):
        if beside in ("", *no_condition) or beside in own.wide:
            continue
        sides = _sides(own, has, good, beside)
        if sum(map(sum, sides.values())) == total and _splits(sides):
            best.append((len(sides), place, beside, sides))
    if not best:
        return None
    _, _, beside, sides = min(best)
    values = tuple(sorted(int(value) for value, (there, _) in sides.items() if there))
    with_it = sum(there for there, _ in sides.values())
    told = "/".join(map(str, values))
    return Presence(True, beside, values, why=f"in all {with_it} where {beside} is {told}, in none of the others")


def _splits(sides: dict[str, tuple[int, int]]) -> bool:
    """Whether each value means one thing, and both things came often enough."""
    if any(there and absent for there, absent in sides.values()):
        return False
    there = sum(there for there, _ in sides.values())
    absent = sum(absent for _, absent in sides.values())
    return there >= ALWAYS and absent >= ALWAYS and all(sum(counts) >= SIDE for counts in sides.values())
