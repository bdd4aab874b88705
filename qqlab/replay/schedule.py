"""When requests are due: the recorded times, made one line of time that a replay can be held to.

Law: pure. A moment follows from the recording, the pace and the start alone, never from when the request before went
out, so that nothing adds up. Exchanges without a time happen right after what stands before them. Where the clock of
the recording was set back, time goes on from there; nothing ever lies before what surely came before it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from qqlab.exchange import Exchange

# An exchange that says it took longer did not.
_LONGEST = 86_400.0


class Span(NamedTuple):
    """When an exchange happened: seconds after the first began."""

    begin: float
    end: float


def timeline(exchanges: Iterable[Exchange]) -> list[Span]:
    """When each exchange happened, in the given order, which is that in which they ended or in which they began."""
    spans: list[Span] = []
    epoch = None
    shift = begun = over = 0.0
    for exchange in exchanges:
        begin = end = over
        if exchange.time is not None:
            epoch = epoch or exchange.time
            lasted = min(max(exchange.elapsed or 0.0, 0.0), _LONGEST)
            begin = (exchange.time - epoch).total_seconds() + shift
            # It stands behind one that began after it had ended: not in any order of time, so the clock was set back.
            if spans and begin + lasted < begun:
                shift += over - begin
                begin = over
            end = begin + lasted
        spans.append(Span(begin, end))
        begun, over = (begin, end) if len(spans) == 1 else (max(begun, begin), max(over, end))
    first = min((span.begin for span in spans), default=0.0)
    return [Span(span.begin - first, span.end - first) for span in spans]
