"""A new baseline from an old one and what was found against it: chosen findings become what is expected.

Law: pure. An exchange is taken whole, request and reply, since a reply repeats its request's sequence number: what was
said is the second capture's, while the id, the time, the session and the connection stay, so that the baseline is
replayed as the old one was. Whoever accepts one finding of an exchange accepts all of them: those are told apart. All
other exchanges stay as they were, in their order.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from qqlab.diff.finding import Finding
from qqlab.exchange import Exchange


class Taken(NamedTuple):
    """One exchange of the new baseline that is not the old one's: its id there, what happened to it, the findings that
    were chosen, and those that come along with them."""

    exchange: str
    how: Literal["replaced", "added", "removed"]
    chosen: tuple[Finding, ...]
    along: tuple[Finding, ...]


class Accepted(NamedTuple):
    """The new baseline's exchanges, and what of them is new, in the order of the findings."""

    exchanges: tuple[Exchange, ...]
    taken: tuple[Taken, ...]


def accept(
    expected: Sequence[Exchange], actual: Sequence[Exchange], findings: Iterable[Finding], chosen: Collection[str]
) -> Accepted:
    """Take the exchanges of these findings (by their ids) from the second capture into the first. `findings` are all
    that the comparison of both has."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.exchange, finding.actual_exchange), []).append(finding)
    by_id = {exchange.id: exchange for exchange in actual}
    result: dict[str, Exchange | None] = {exchange.id: exchange for exchange in expected}
    taken = []
    for (first, second), found in groups.items():
        wanted = tuple(finding for finding in found if finding.id in chosen)
        if wanted:
            along = tuple(finding for finding in found if finding.id not in chosen and not finding.equivalent)
            taken.append(_taken(result, first, by_id.get(second), wanted, along))
    return Accepted(tuple(exchange for exchange in result.values() if exchange is not None), tuple(taken))


def _taken(
    result: dict[str, Exchange | None],
    first: str,
    second: Exchange | None,
    chosen: tuple[Finding, ...],
    along: tuple[Finding, ...],
) -> Taken:
    """Change one exchange of the result."""
    old = result.get(first)
    if second is None:
        result[first] = None
        return Taken(first, "removed", chosen, along)
    if old is None:
        name = _free(second.id, result)
        times = [exchange.time for exchange in result.values() if exchange is not None and exchange.time is not None]
        result[name] = msgspec.structs.replace(second, id=name, time=max(times, default=second.time))
        return Taken(name, "added", chosen, along)
    result[first] = msgspec.structs.replace(
        old,
        request=second.request,
        reply=second.reply,
        error=second.error,
        elapsed=second.elapsed,
        pairing=second.pairing,
    )
    return Taken(first, "replaced", chosen, along)


def _free(name: str, taken: Collection[str]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
