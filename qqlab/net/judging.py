"""Each exchange of a replay judged as soon as it is over, while both sides are at hand.

Law: what comes out is what `qqlab.diff.compare` says of the two captures. Only pushes wait for the end, since they
belong together by what they are. Nothing is held of what is equal, but for
logins that end a cause.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple

from qqlab.diff import Comparison, Ignoring, Judged, Tally, Telling, judge, logged_in
from qqlab.diff.stream import Join
from qqlab.exchange import Exchange
from qqlab.replay import Expectation
from qqlab.spec import Spec


class Verdicts(NamedTuple):
    """What was judged so far: how many were equal, what else came of which place in the capture, the pushes that came,
    and for each place whether it is over."""

    equal: int
    others: list[tuple[int, Judged]]
    pushes: list[Exchange]
    over: bytearray


class Judging:
    """Judges a replay of `expected`, in whatever order things are over."""

    def __init__(
        self,
        expected: Sequence[Exchange],
        spec: Spec,
        *,
        mapped: bool = False,
        expectation: Expectation | None = None,
    ) -> None:
        """`mapped`: what is expected is not what was recorded, but for other accounts. `expectation` knows what was
        asked for otherwise on purpose."""
        self._mapped = mapped
        self._expectation = expectation
        self._expected = expected
        self._spec = spec
        self._places = {exchange.id: place for place, exchange in enumerate(expected)}
        self._equal = 0
        self._others: list[tuple[int, Judged]] = []
        self._pushes: list[Exchange] = []
        self._over = bytearray(len(expected))
        self._telling = Telling()

    def another(self) -> "Judging":
        """One that has judged nothing of the same replay."""
        return Judging(self._expected, self._spec, mapped=self._mapped, expectation=self._expectation)

    def add(self, exchange: Exchange, as_recorded: bool = False) -> None:
        """An exchange is over; one that is none of the capture's is a push. `as_recorded`: it is the recorded one but
        for its sequence number."""
        place = self._places.get(exchange.id)
        if place is None:
            self._pushes.append(exchange)
            return
        self._over[place] = 1
        if as_recorded and not self._mapped:
            login = logged_in(self._expected[place], exchange, self._spec) if self._telling else ""
            if not login:
                self._equal += 1
                return
            judged = Judged(exchange.id, "equal", None, login=login)
        else:
            expected = self._expected[place]
            if self._expectation is not None:
                expected = self._expectation.of(expected, exchange)
            judged = judge(expected, exchange, self._spec)
        if self._telling.holds(judged) or judged.skipped is not None:
            self._others.append((place, judged))
        else:
            self._equal += 1

    @property
    def left(self) -> list[str]:
        """The ids of what is not over."""
        return [one.id for one, over in zip(self._expected, self._over, strict=True) if not over]

    def all_pushes(self, pushes: Sequence[Exchange]) -> None:
        """These are all the pushes that came, in order."""
        self._pushes = list(pushes)

    def verdicts(self) -> Verdicts:
        """What was judged so far."""
        return Verdicts(self._equal, self._others, self._pushes, self._over)

    def take(self, verdicts: Verdicts) -> None:
        """Add what was judged elsewhere of the same replay."""
        self._equal += verdicts.equal
        self._others += verdicts.others
        self._pushes += verdicts.pushes
        self._over = bytearray(one | other for one, other in zip(self._over, verdicts.over, strict=True))

    def comparison(
        self, skipped: Mapping[str, str], rules: Ignoring | None = None, today: date = date.min
    ) -> Comparison:
        """What all of it is together. `skipped` names ids that were not sent, each with the reason."""
        left = [place for place, over in enumerate(self._over) if not over]
        missed = [(place, self._expected[place]) for place in left]
        found = Found(self._equal, self._others, self._pushes, missed)
        return compared([found], self._spec, skipped, rules, today)

    def found(self, numbers: Sequence[int]) -> "Found":
        """What came of exchanges that are part of a capture, where they have these numbers."""
        left = [place for place, over in enumerate(self._over) if not over]
        return Found(
            self._equal,
            [(numbers[place], judged) for place, judged in self._others],
            self._pushes,
            [(numbers[place], self._expected[place]) for place in left],
        )


class Found(NamedTuple):
    """What came of exchanges: how many were equal, what else came of which place in the capture, the pushes that came,
    and what is left, with its place."""

    equal: int
    others: list[tuple[int, Judged]]
    pushes: list[Exchange]
    left: list[tuple[int, Exchange]]


def compared(
    parts: Sequence[Found],
    spec: Spec,
    skipped: Mapping[str, str],
    rules: Ignoring | None = None,
    today: date = date.min,
) -> Comparison:
    """What parts of a capture are together. `skipped` names ids that were not sent, each with the reason."""
    tally = Tally()
    tally.compared = sum(part.equal for part in parts)
    for place, judged in [one for part in parts for one in part.others]:
        tally.add(judged, (0, place + 1))
    left = sorted([one for part in parts for one in part.left], key=itemgetter(0))
    pushes = [push for part in parts for push in part.pushes]
    for pair in Join(((place + 1, one) for place, one in left), enumerate(pushes, 1), spec, skipped):
        expected, actual = pair.expected, pair.actual
        if expected is not None and actual is None and expected.id in skipped:
            judged = Judged(expected.id, None, skipped[expected.id])
        else:
            judged = judge(expected, actual, spec)
        tally.add(judged, pair.place)
    return tally.comparison(spec, rules, today)
