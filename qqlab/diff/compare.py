"""Two captures held against each other, exchange by exchange.

Law: exchanges belong together by their id, pushes by what they are (`qqlab.diff.pushes`), and unlike things are never
compared silently (`qqlab.diff.pair`). What could not be compared is counted with its reason, and so is what a rule
said to ignore. Pure and total; files and printing are elsewhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from qqlab.diff.finding import Cause, Finding, Ignoring, Suppressed
from qqlab.diff.pair import Judged, judge, verdict
from qqlab.diff.pushes import is_push, pair_pushes
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
    """Compare the replies of two captures. `skipped` names ids that cannot be compared, each with the reason; a push
    that came nevertheless is compared. `rules` say what to ignore, as long as they have not expired `today`."""
    see: Witness = witness or (lambda expected, actual, judged: None)
    known = dict(skipped or {})
    firsts, seconds = tuple(expected), tuple(actual)
    pairs, extra = _paired(firsts, seconds, known, spec)
    left_out = {exchange.id for exchange in firsts} - {left.id for left, _ in pairs}
    judged = [judge(left, right, spec) for left, right in pairs] + [judge(None, right, spec) for right in extra]
    for (left, right), one in zip([*pairs, *((None, right) for right in extra)], judged, strict=True):
        see(left, right, one)
    found = tuple(finding for one in judged for finding in one.findings)
    kept, suppressed, unused = (found, (), ()) if rules is None else rules.apply(found, today)
    reasons: dict[str, list[str]] = {}
    for one in judged:
        if one.skipped is not None:
            reasons.setdefault(one.skipped, []).append(one.exchange)
    unpaired = {exchange.id: exchange for exchange in firsts if exchange.id in left_out}
    for identifier, reason in known.items():
        if identifier in unpaired:
            reasons.setdefault(reason, []).append(identifier)
            see(unpaired[identifier], None, Judged(identifier, None, reason))
    kept_ids = {finding.id for finding in kept}
    verdicts = Counter(verdict(f for f in one.findings if f.id in kept_ids) for one in judged if one.skipped is None)
    return Comparison(
        total=len(judged) + len(left_out),
        equal=verdicts["equal"],
        equivalent=verdicts["equivalent"],
        different=verdicts["different"],
        skipped={reason: tuple(ids) for reason, ids in reasons.items()},
        findings=tuple(kept),
        suppressed=tuple(suppressed),
        unused=tuple(unused),
    )


def _paired(
    expected: Sequence[Exchange], actual: Sequence[Exchange], known: Mapping[str, str], spec: Spec
) -> tuple[list[tuple[Exchange, Exchange | None]], list[Exchange]]:
    """The exchanges of the first capture with their counterparts, and those that only the second has."""
    asked = {exchange.id: exchange for exchange in actual if not is_push(exchange)}
    pushes = pair_pushes(filter(is_push, expected), filter(is_push, actual), spec)
    counterparts = {left.id: right for left, right in pushes if left is not None}
    all_pairs = [(e, counterparts.get(e.id) if is_push(e) else asked.get(e.id)) for e in expected]
    pairs = [(e, other) for e, other in all_pairs if e.id not in known or (is_push(e) and other is not None)]
    taken = {id(right) for _, right in pairs}
    return pairs, [e for e in actual if id(e) not in taken and (is_push(e) or e.id not in known)]
