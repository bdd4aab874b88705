"""What a command does, and how a list is asked for in pages: told by what follows on what.

Law: pure, and careful: who cannot tell says `write`, since what only looks harmless must not be sent twice. A command
is `push` that is never asked for; `auth` that carries a secret, leads to the reply of one that does, or after which
nothing works; `consume` whose list is empty when asked for again at once; `read` whose reply, rich or a list, is the
same then.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from qqlab.infer.support import ALWAYS, FOLLOWS, SHARE
from qqlab.infer.tally import CommandTally, Limit
from qqlab.spec import Effect

_RICH = 3


class Told(NamedTuple):
    """The effect and why it is thought so; `sure` is False for the careful guess."""

    effect: Effect
    why: str
    sure: bool = True


def effect(
    own: CommandTally,
    name: str,
    secret: Collection[str],
    leads_in: bool,
    rich: bool,
    good: Callable[[str], bool],
) -> Told:
    """What the command of that name does. `secret` are the commands that carry a secret; `leads_in`: the reply of one
    of them answers it; `rich`: its own reply has a list, or several fields of its own."""
    if own.asked == 0:
        return Told("push", f"{own.unasked} times, never asked for")
    if name in secret:
        return Told("auth", "it carries a secret")
    if leads_in:
        return Told("auth", "what answers it also answers a command with a secret")
    failed, total = _refused_after(own, secret, good)
    if total >= FOLLOWS and failed >= SHARE * total:
        return Told("auth", f"after it {failed} of {total} other requests were refused")
    again = own.again
    if again.emptied >= FOLLOWS and again.emptied >= SHARE * (again.emptied + again.refilled):
        return Told("consume", f"asked for again at once, its list was empty {again.emptied} times")
    if rich and again.same >= FOLLOWS and again.same >= SHARE * (again.same + again.other):
        return Told("read", f"asked for again at once, the reply was the same {again.same} times")
    return Told("write", "under-sampled: nothing tells what it does, and a write is the careful guess", sure=False)


def _refused_after(own: CommandTally, secret: Collection[str], good: Callable[[str], bool]) -> tuple[int, int]:
    """Of the requests that follow on a success of this command, are another's and carry no secret: how many were
    refused."""
    after = [one for (status, name, _), one in own.after.items() if name == "" and good(status)]
    counted = ((key, count) for one in after for key, count in one.others.items())
    every = [(status, count) for (name, status), count in counted if name not in secret]
    return sum(count for status, count in every if not good(status)), sum(count for _, count in every)


def is_rich(fields: Collection[str], lists: Collection[str]) -> bool:
    """Whether a reply says much."""
    return bool(lists) or len(fields) >= _RICH


class Pages(NamedTuple):
    """How pages are asked for: the request's limit and cursor, the reply's field that says when all is there, and by
    which value."""

    limit: str
    cursor: str
    complete: str
    done: int
    why: str


def limits(own: CommandTally) -> set[str]:
    """The numbers of requests that say how long a list may be."""
    return {name for (name, _), limit in own.limits.items() if _limits(limit)}


def _limits(limit: Limit) -> bool:
    return limit.above == 0 and limit.full >= FOLLOWS and limit.within + limit.full >= ALWAYS and len(limit.values) > 1


def cursors(own: CommandTally) -> set[str]:
    """The fields of requests that say behind which item a list goes on."""
    return {field for (field, _), times in own.continued.items() if _continues(own, field, times)}


def _continues(own: CommandTally, field: str, times: int) -> bool:
    """It was the last item of the reply before, or where all begin."""
    start = max(own.others.get(field, {"": 0}).values(), default=0)
    every = times + sum(own.others.get(field, {}).values())
    return times >= FOLLOWS and times + start >= SHARE * every


def pages(own: CommandTally) -> Pages | None:
    """How a long list is asked for in pieces, where all three parts of that are told."""
    found_limits, found_cursors = sorted(limits(own)), sorted(cursors(own))
    for field, values in own.completes.items():
        ends = [value for value, (on, anew) in values.items() if on == 0 and anew >= FOLLOWS]
        goes = [value for value, (on, _) in values.items() if on >= FOLLOWS]
        if found_limits and found_cursors and len(values) == 2 and ends and goes:
            went, anew = values[goes[0]][0], values[ends[0]][1]
            why = f"went on {went} times where {field} was {goes[0]}, never in {anew} where it was {ends[0]}"
            return Pages(found_limits[0], found_cursors[0], field, int(ends[0]), why)
    return None
