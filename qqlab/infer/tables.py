"""Which lists are the columns of one table, which column identifies a row, and which number counts them.

Law: pure. Columns are lists that were as long as each other in every message, at several lengths; a key is a column
whose items never came twice in one message, in many pairs of rows; a count is a number that always was the length.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from qqlab.infer.support import ALWAYS, VARIED, holds
from qqlab.infer.tally import MessageTally, Pair

_PAIRS = 20


class Table(NamedTuple):
    """Columns in order; the key and the number that counts them, where there are any."""

    columns: tuple[str, ...]
    key: str | None
    counted: str | None
    why: tuple[str, ...]


def agrees(pair: Pair | None) -> bool:
    """Whether two things of a message are always equal, at several values."""
    return pair is not None and holds(pair.equal, pair.unequal, ALWAYS) and len(pair.at) >= VARIED


def beside(own: MessageTally) -> set[str]:
    """The fields that are lists by what stands beside them."""
    pairs = {name for key, pair in own.lengths.items() if agrees(pair) for name in key}
    return pairs | {name for (_, name), pair in own.counts.items() if agrees(pair)}


def counts(own: MessageTally) -> set[str]:
    """The numbers that count a list."""
    return {number for (number, _), pair in own.counts.items() if agrees(pair)}


def tables(own: MessageTally, lists: Collection[str], can_be_key: Mapping[str, int]) -> list[Table]:
    """The tables that lists make, without those of which that is open; `can_be_key` says how well each column's values
    would name a row, 0 for not at all."""
    groups: list[list[str]] = []
    unsure = undecided(own, lists)
    for name in lists:
        if name in unsure:
            continue
        group = next((group for group in groups if _together(own, group[0], name)), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return [_table(own, group, can_be_key) for group in groups]


def undecided(own: MessageTally, lists: Collection[str]) -> list[str]:
    """The lists that may be columns of one table, and may not: they were equally long, too seldom to say so."""
    pairs = {key: pair for key, pair in own.lengths.items() if set(key) <= set(lists)}
    sure = {name for key, pair in pairs.items() if agrees(pair) for name in key}
    open_ = {name for key, pair in pairs.items() if may_agree(pair) for name in key}
    return [name for name in lists if name in open_ - sure]


def may_agree(pair: Pair) -> bool:
    """Whether two things of a message were never unequal, as far as was seen."""
    return pair.equal > 0 and pair.unequal == 0


def may_be_beside(own: MessageTally) -> set[str]:
    """The fields that may be lists by what stands beside them."""
    pairs = {name for key, pair in own.lengths.items() if may_agree(pair) for name in key}
    return pairs | {name for (_, name), pair in own.counts.items() if may_agree(pair)}


def _together(own: MessageTally, one: str, other: str) -> bool:
    first, second = sorted((one, other))
    return agrees(own.lengths.get((first, second)))


def _table(own: MessageTally, columns: list[str], can_be_key: Mapping[str, int]) -> Table:
    why: list[str] = []
    if len(columns) > 1:
        first, second = sorted(columns[:2])
        pair = own.lengths[first, second]
        why.append(f"as long as each other in {pair.equal} of {pair.equal + pair.unequal}")
    key = _key(own, columns, can_be_key, why)
    for name in (name for name, _ in own.counts):
        pairs = [own.counts.get((name, column)) for column in columns]
        if any(map(agrees, pairs)) and name not in columns:
            held = next(pair for pair in pairs if pair is not None and agrees(pair))
            why.append(f"{name} says how many in {held.equal} of {held.equal + held.unequal}")
            return Table(tuple(columns), key, name, tuple(why))
    return Table(tuple(columns), key, None, tuple(why))


def _key(own: MessageTally, columns: list[str], can_be_key: Mapping[str, int], why: list[str]) -> str | None:
    compared = max((own.unique[name].compared for name in columns if name in own.unique), default=0)
    if compared < _PAIRS:
        why.append(f"under-sampled: {compared} pairs of rows cannot tell a key, so their order is kept")
        return None
    alone = [name for name in columns if own.unique[name].doubled == 0 and can_be_key[name]]
    if not alone:
        why.append("no column is a key: values come twice in one message, so the order may matter")
        return None
    best = max(alone, key=lambda name: can_be_key[name])
    why.append(f"{best} differs in all {own.unique[best].compared} pairs of rows")
    return best
