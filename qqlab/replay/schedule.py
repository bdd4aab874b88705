"""When requests are due: the recorded times, made one line of time that a replay can be held to.

Law: pure. A moment follows from the recording, the pace and the start alone, never from when the request before went
out, so that nothing adds up. Exchanges without a time happen right after what stands before them. Times count, not the
order of the file; but what one session did happened in that order, and where its times go back, the clock of the
recording was set back: time goes on from there.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from qqlab.exchange import Exchange

# An exchange that says it took longer did not.
_LONGEST = 86_400.0
# Both times of an exchange are kept in whole microseconds, each rounded by itself.
_ROUNDED = 2e-6


class Span(msgspec.Struct, frozen=True, gc=False):
    """When an exchange happened: seconds after the first began."""

    begin: float
    end: float


class Timed(NamedTuple):
    """When exchanges happened, in seconds from some moment. `alone`: each time follows from the session's own."""

    spans: list[Span]
    alone: bool

    @property
    def first(self) -> float:
        """When the first of them began."""
        return min([span.begin for span in self.spans], default=0.0)

    def after(self, first: float) -> list[Span]:
        """The same in seconds after that moment."""
        return self.spans if first == 0 else [Span(one.begin - first, one.end - first) for one in self.spans]


def timeline(exchanges: Iterable[Exchange]) -> list[Span]:
    """When each exchange happened, in the given order, which may be any but for those of one session."""
    found = timed(exchanges)
    return found.after(found.first)


def timed(exchanges: Iterable[Exchange], epoch: datetime | None = None) -> Timed:
    """When each exchange happened, in seconds from `epoch`, by default from the first that has a time."""
    spans: list[Span] = []
    alone = True
    shift = over = 0.0
    begun: dict[str, float] = {}
    for exchange in exchanges:
        begin = end = over
        time, elapsed, session = exchange.time, exchange.elapsed, exchange.session
        before = begun.get(session)
        if time is None:
            alone = False
        else:
            epoch = epoch or time
            begin = (time - epoch).total_seconds() + shift
            lasted = 0.0 if elapsed is None or elapsed < 0.0 else elapsed if elapsed < _LONGEST else _LONGEST
            end = begin + lasted
            # What one session does stands in its order: it was over before what came before it? The clock was set back.
            if before is not None and end < before:
                if end < before - _ROUNDED:
                    alone = False
                    shift += over - begin
                    begin = over
                end = max(begin + lasted, before)
        spans.append(Span(begin, end))
        if before is None or begin > before:
            begun[session] = begin
        if end > over or len(spans) == 1:
            over = end
    return Timed(spans, alone)


def dues(spans: Iterable[Span], max_gap: float | None = None) -> list[float]:
    """When each step is due: seconds after the first, at the recorded speed; steps in the order of their begin.

    Silences, in which nothing was under way, are shortened to `max_gap` seconds.
    """
    found: list[float] = []
    first = over = cut = 0.0
    for span in spans:
        if not found:
            first = over = span.begin
        silence = span.begin - over
        if max_gap is not None and silence > max_gap:
            cut += silence - max_gap
        over = max(over, span.end)
        found.append(span.begin - first - cut)
    return found


def moments(due: Iterable[float], speed: float | None, rate: float | None) -> list[float]:
    """When steps go out at the earliest, in seconds from the start: `speed` times as fast as recorded (None: without
    waiting), at most `rate` of them a second. A rate delays, and drops none."""
    found: list[float] = []
    apart = 0.0 if rate is None else 1 / rate
    before = -apart
    for one in due:
        before = max(0.0 if speed is None else one / speed, before + apart)
        found.append(before)
    return found
