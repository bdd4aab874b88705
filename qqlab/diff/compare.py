"""Two captures held against each other, exchange by exchange.

Law: exchanges belong together by their id, pushes by what they are (`qqlab.diff.pushes`), and unlike things are never
compared silently (`qqlab.diff.pair`). What could not be compared is counted with its reason, and so is what a rule
said to ignore. Pure and total; files and printing are elsewhere.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter

import msgspec

from qqlab.diff.causes import causes
from qqlab.diff.finding import Cause, Finding, Ignoring, Suppressed, identify
from qqlab.diff.pair import Judged, judge_read, logged_in_alike, verdict
from qqlab.diff.same import same
from qqlab.diff.stream import Join, Numbered, Paired, Place
from qqlab.exchange import Exchange
from qqlab.spec import Spec

# Is told of each pair as it is judged, and of what is not compared: a reader of findings that wants the exchanges, too.
Witness = Callable[[Exchange | None, Exchange | None, Judged], None]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found.

    `total` counts the exchanges that either capture has; `equal`, `equivalent` and `different` those that were
    compared; `skipped` holds the ids of the others by reason. An exchange of the first capture that the second has
    not got is a finding as well as skipped. `findings` are in the order of the captures. `causes` say which of them
    explain which others; a finding is a consequence of one cause at most. `suppressed` are those that a rule took out
    of `findings`, and they count for no verdict; `unused` names the rules that matched nothing.
    """

    total: int
    equal: int
    equivalent: int
    different: int
    skipped: dict[str, tuple[str, ...]]
    findings: tuple[Finding, ...]
    causes: tuple[Cause, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """How many exchanges were compared."""
        return self.equal + self.equivalent + self.different

    @property
    def differences(self) -> tuple[Finding, ...]:
        """The findings that are no equivalences."""
        return tuple(finding for finding in self.findings if not finding.equivalent)


def compare(
    expected: Iterable[Exchange],
    actual: Iterable[Exchange],
    spec: Spec,
    *,
    skipped: Mapping[str, str] | None = None,
    rules: Ignoring | None = None,
    today: date = date.min,
    witness: Witness | None = None,
) -> Comparison:
    """Compare the replies of two captures, which are read side by side, once.

    `skipped` names ids that cannot be compared, each with the reason; a push that came nevertheless is compared.
    `rules` say what to ignore, as long as they have not expired `today`.
    """
    told = None if witness is None else lambda pair, judged: witness(pair.expected, pair.actual, judged)
    return tallied(enumerate(expected, 1), enumerate(actual, 1), spec, skipped=skipped or {}, told=told).comparison(
        spec, rules, today
    )


def tallied(
    expected: Numbered,
    actual: Numbered,
    spec: Spec,
    *,
    skipped: Mapping[str, str],
    told: Callable[[Paired, Judged], None] | None = None,
    apart: bool = False,
    aside: Callable[[Paired], None] | None = None,
) -> "Tally":
    """What came of all pairs of two captures, or of a part of them that is compared `apart` from the rest, whose
    findings are not known here. What has no counterpart is put `aside`, where that is given, and not judged."""
    tally = Tally()
    join = Join(expected, actual, spec, skipped)
    for pair in join:
        left, right = pair.expected, pair.actual
        if aside is not None and (left is None or right is None):
            aside(pair)
            continue
        if left is not None and right is not None and same(left, right, spec):
            # What a login ends is a finding before it, which may come after it where the captures are not in step.
            login = logged_in_alike(left, spec) if apart or tally.has_findings or not join.in_step else ""
            if told is None and not login:
                tally.compared += 1  # nearly all of a long capture, and nothing more is to be said of them
                continue
            judged = Judged(left.id, "equal", None, login=login)
        elif left is not None and right is None and left.id in skipped:
            judged = Judged(left.id, None, skipped[left.id])
        else:
            judged = judge_read(left, right, spec)
        tally.add(judged, pair.place)
        if told is not None:
            told(pair, judged)
    return tally


class Telling:
    """Tells which pairs have to be held until all are judged: those with findings, and of each account the first login
    behind one, which may end what an earlier login explains. No more of them than there are findings."""

    def __init__(self) -> None:
        self._accounts: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def holds(self, judged: Judged) -> bool:
        """Whether this one is to be held."""
        is_first = judged.login in self._accounts
        if is_first:
            self._accounts.remove(judged.login)
        self._accounts.update(finding.account for finding in judged.findings)
        return is_first or bool(judged.findings)


class Tally:
    """Adds up what came of pairs, in whatever order they come, and holds of those that are equal no more than where
    somebody logged in.

    What several judged side by side adds up the same, by `add` or `merge`: each pair has its `place`, which orders all
    that is told.
    """

    def __init__(self) -> None:
        self.compared = 0
        self._skipped: dict[str, list[tuple[Place, str]]] = {}
        self._found: list[tuple[Place, Judged]] = []
        self._logins: dict[str, array[int]] = {}  # by account: where in the first capture
        self.has_findings = False  # that a login might end
        self._telling = Telling()

    def add(self, judged: Judged, place: Place) -> None:
        """Count a pair that was judged."""
        if judged.skipped is None:
            self.compared += 1
        else:
            self._skipped.setdefault(judged.skipped, []).append((place, judged.exchange))
        if judged.findings:
            self._found.append((place, judged))
        if judged.login:
            self._logins.setdefault(judged.login, array("q")).append(place[1])
        self._telling.holds(judged)
        self.has_findings = bool(self._telling)

    def merge(self, other: "Tally") -> None:
        """Count what another one has counted, of other pairs."""
        self.compared += other.compared
        for reason, skipped in other._skipped.items():
            self._skipped.setdefault(reason, []).extend(skipped)
        self._found += other._found
        for account, places in other._logins.items():
            self._logins.setdefault(account, array("q")).extend(places)

    def comparison(self, spec: Spec, rules: Ignoring | None = None, today: date = date.min) -> Comparison:
        """What all of it is together, but for what the rules say to ignore. What is ignored causes nothing."""
        found = _distinct(judged for _, judged in sorted([*self._found, *self._ending()], key=itemgetter(0)))
        kept: Sequence[Finding] = [finding for judged in found for finding in judged.findings]
        suppressed: Sequence[Suppressed] = ()
        unused: Sequence[str] = ()
        if rules is not None:
            kept, suppressed, unused = rules.apply(kept, today)
            ids = {finding.id for finding in kept}
            found = [_left(judged, ids) for judged in found]
        verdicts = Counter(judged.verdict for judged in found)
        return Comparison(
            total=self.compared + sum(len(ids) for ids in self._skipped.values()),
            equal=self.compared - verdicts["different"] - verdicts["equivalent"],
            equivalent=verdicts["equivalent"],
            different=verdicts["different"],
            skipped=self._in_order(),
            findings=tuple(kept),
            causes=causes(found, spec, self.compared),
            suppressed=tuple(suppressed),
            unused=tuple(unused),
        )

    def _in_order(self) -> dict[str, tuple[str, ...]]:
        """The ids that were skipped, by reason."""
        ordered = sorted((sorted(skipped), reason) for reason, skipped in self._skipped.items())
        return {reason: tuple(identifier for _, identifier in skipped) for skipped, reason in ordered}

    def _ending(self) -> Iterator[tuple[Place, Judged]]:
        """Of each account the first login behind each of its findings, which ends what an earlier one explains."""
        ending: set[tuple[Place, str]] = set()
        logins = {account: sorted(places) for account, places in self._logins.items()}
        for (side, number), judged in self._found:
            for account in {finding.account for finding in judged.findings} & logins.keys() if side == 0 else ():
                places = logins[account]
                next_one = bisect_right(places, number)
                if next_one < len(places):
                    ending.add(((0, places[next_one]), account))
        return ((place, Judged("", "equal", None, login=account)) for place, account in ending)


def _left(judged: Judged, ids: Container[str]) -> Judged:
    """What was judged, with the findings of these ids alone."""
    findings = tuple(finding for finding in judged.findings if finding.id in ids)
    return judged._replace(findings=findings, verdict=None if judged.verdict is None else verdict(findings))


def _distinct(judged: Iterable[Judged]) -> list[Judged]:
    """The same, each finding with an id of its own: eight digits are short enough to type, and may meet by chance."""
    judged = list(judged)
    ids = [finding.id for one in judged for finding in one.findings]
    if len(set(ids)) == len(ids):
        return judged
    taken: set[str] = set()
    return [one._replace(findings=tuple(_own(finding, taken) for finding in one.findings)) for one in judged]


def _own(finding: Finding, taken: set[str]) -> Finding:
    one, again = finding, 1
    while one.id in taken:
        again += 1
        one = msgspec.structs.replace(finding, id=identify(finding.id, again))
    taken.add(one.id)
    return one
