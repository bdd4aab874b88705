"""Several captures that are named at once.

Law: an exchange is read once, though its segment and the recording are both named; segments of one recording are one
capture again. Ids stay unique where captures become one, and which had to change is told by their number.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from qqlab.capture.reading import Capture
from qqlab.exchange import Exchange


class Joined(NamedTuple):
    """Captures as one, and how many of their exchanges have another id there: `NAME:ID`."""

    capture: Capture
    renamed: int


def together(captures: Iterable[Capture]) -> list[Capture]:
    """The captures in their order, where those of one recording are one, at the place of the first."""
    groups: dict[str, list[Capture]] = {}
    for number, capture in enumerate(captures):
        groups.setdefault(capture.header.recording or f"no recording {number}", []).append(capture)
    return [_recording(group) for group in groups.values()]


def _recording(group: Sequence[Capture]) -> Capture:
    if len(group) == 1:
        return group[0]
    kept: list[Capture] = []
    known: set[int] = set()
    for capture in sorted(group, key=lambda one: (-len(one.segments), one.segments)):
        if not known.issuperset(capture.segments):
            known.update(capture.segments)
            kept.append(capture)
    kept.sort(key=lambda one: one.segments)
    exchanges = {exchange.id: exchange for capture in kept for exchange in capture.exchanges}
    missing = [f"segment {number} of this recording is not among them" for number in _gaps(known, kept)]
    torn = [capture.torn for capture in kept if capture.torn is not None]
    return msgspec.structs.replace(
        kept[0],
        exchanges=tuple(sorted(exchanges.values(), key=_number)),
        path=group[0].path,
        torn="; ".join([*torn, *(f"{group[0].path}: {line}" for line in missing)]) or None,
        segments=tuple(sorted(known)),
    )


def _gaps(known: set[int], captures: Sequence[Capture]) -> list[int]:
    """The segments that are missing between others, but for those that reading one of the captures has told."""
    told = {number for one in captures for number in range(min(one.segments), max(one.segments))}
    return [number for number in range(min(known), max(known)) if number not in known | told]


def _number(exchange: Exchange) -> int:
    """Where in its recording an exchange stands; what has no number keeps its place at the end."""
    return int(exchange.id) if exchange.id.isascii() and exchange.id.isdigit() and len(exchange.id) < 19 else 1 << 62


def joined(captures: Sequence[Capture]) -> Joined:
    """Captures one after the other, as one; an id that an earlier exchange has gets the capture's name before it."""
    if len(captures) == 1:
        return Joined(captures[0], 0)
    known: set[str] = set()
    exchanges: list[Exchange] = []
    renamed = 0
    for capture in captures:
        for exchange in capture.exchanges:
            fresh, number = exchange.id, 1
            while fresh in known:
                fresh = f"{capture.name}:{exchange.id}" if number == 1 else f"{capture.name}:{exchange.id}.{number}"
                number += 1
            known.add(fresh)
            renamed += fresh != exchange.id
            exchanges.append(exchange if fresh == exchange.id else msgspec.structs.replace(exchange, id=fresh))
    loosest = next((one for one in captures if one.header.redacted == "none"), captures[0])
    return Joined(
        Capture(
            header=loosest.header,
            exchanges=tuple(exchanges),
            path=", ".join(capture.path for capture in captures),
            torn="; ".join(capture.torn for capture in captures if capture.torn is not None) or None,
        ),
        renamed,
    )
