"""What differs by itself: learned from controls, which ask the same server the same again.

Law: pure. Controls are held against the run before them, never against the recording: what differs from the recording
always in the same way is no noise, since among controls it is the same. The unit is a kind of finding (command,
direction, field, rule), its measure the share of the pairs of exchanges of that command that had it, with Wilson's
interval at 95%. A kind is noise where all of this holds:

1. It came in a control pair at least: the interval's lower end is above 0.
2. It came not in the first control alone, where there are several: each control writes to the server again, and what
   changes then and stays so (a friend who was added) is the replay's own doing.
3. It does not come more often against the recording than by itself: its interval there does not begin above the end of
   its interval here. What is noise in one of a hundred does not excuse what differs always.
4. It is about a field or a row: a server that answers one time and not the other is no noise.

A second server that is known to be right (a baseline) is held against the recording instead, and 5. takes the place
of 2.: what each of both servers says always alike, but not alike to each other, is no noise.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import sqrt
from typing import Literal, NamedTuple

import msgspec

from qqlab.codec import decode
from qqlab.diff.compare import compare
from qqlab.diff.finding import Finding
from qqlab.diff.pair import Judged
from qqlab.diff.rules import IgnoreRule, Rules
from qqlab.exchange import Exchange
from qqlab.spec import Direction, Spec

_Z = 1.959963984540054  # the normal distribution's quantile of 97.5%
_WHOLE = ("exchange.", "reply.", "target.", "http.", "line.")
_WHOLE_RULES = ("body", "more", "request")

Verdict = Literal["noise", "once", "often", "whole", "other"]


class Kind(NamedTuple):
    """A kind of finding."""

    command: str
    direction: Direction | None
    field: str | None
    rule: str


class Share(NamedTuple):
    """In how many pairs of how many a kind was seen."""

    seen: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares the true one lies, at 95% (Wilson)."""
        return wilson(self.seen, self.of)


class Learned(NamedTuple):
    """What is known of one kind that a control had: its share there, and what that makes of it.

    `noise`; or no noise, since it came in the first control alone (`once`), comes more `often` against the recording,
    is about a `whole` reply, or is an`other` constant than the baseline's.
    """

    kind: Kind
    share: Share
    verdict: Verdict


class Observed(msgspec.Struct, frozen=True):
    """What one comparison saw: how many pairs of each command were compared, in how many of them each kind of
    difference stood, and which values came instead."""

    pairs: Mapping[str, int]
    seen: Mapping[Kind, int]
    values: Mapping[Kind, tuple[str | None, ...]]

    def share(self, kind: Kind) -> Share:
        """The share of a kind's command that had it; what only one side has was no pair, and counts as one."""
        seen = self.seen.get(kind, 0)
        return Share(seen, max(seen, self.pairs.get(kind.command, 0)))


class Observer:
    """Watches a comparison, as its `witness`."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._pairs: Counter[str] = Counter()
        self._seen: Counter[Kind] = Counter()
        self._values: defaultdict[Kind, list[str | None]] = defaultdict(list)

    def __call__(self, expected: Exchange | None, actual: Exchange | None, judged: Judged) -> None:
        """Take note of one pair."""
        found = judged.findings
        if expected is not None and actual is not None and (found or judged.skipped is None):
            self._pairs[found[0].command if found else decode(expected, self._spec).command] += 1
        differences = [finding for finding in judged.findings if not finding.equivalent]
        self._seen.update({kind_of(finding) for finding in differences})
        for finding in differences:
            self._values[kind_of(finding)].append(finding.actual)

    def observed(self) -> Observed:
        """All that was seen."""
        values = {kind: tuple(values) for kind, values in self._values.items()}
        return Observed(dict(self._pairs), dict(self._seen), values)


def kind_of(finding: Finding) -> Kind:
    """The kind of a finding."""
    return Kind(finding.command, finding.direction, finding.field, finding.rule)


def wilson(seen: int, of: int) -> tuple[float, float]:
    """The interval in which a share lies at 95%, by Wilson's score: from 0 to 1 where nothing was tried."""
    if of == 0:
        return 0.0, 1.0
    share, squared = seen / of, _Z * _Z
    middle = share + squared / (2 * of)
    reach = _Z * sqrt(share * (1 - share) / of + squared / (4 * of * of))
    low, high = ((middle + sign * reach) / (1 + squared / of) for sign in (-1, 1))
    # What was never seen may be nothing, and what always was may be all: rounding must not say otherwise.
    return (0.0 if seen == 0 else max(0.0, low)), (1.0 if seen == of else min(1.0, high))


def observe(
    expected: Iterable[Exchange], actual: Iterable[Exchange], spec: Spec, skipped: Mapping[str, str] | None = None
) -> Observed:
    """What there is to see when two runs are compared."""
    observer = Observer(spec)
    compare(expected, actual, spec, skipped=skipped, witness=observer)
    return observer.observed()


def learn(recorded: Observed, controls: Sequence[Observed]) -> tuple[Learned, ...]:
    """What controls teach. `recorded` is the first run against the recording, `controls` each run against the one
    before it, in order."""
    kinds = sorted({kind for control in controls for kind in control.seen}, key=_order)
    return tuple(_judged(kind, recorded, controls) for kind in kinds)


def learn_from_baseline(recorded: Observed, baseline: Observed) -> tuple[Learned, ...]:
    """What a second server teaches. Both are held against the recording."""
    learned = []
    for kind in sorted(baseline.seen, key=_order):
        one = _judged(kind, recorded, [baseline])
        if one.verdict == "noise" and _are_other_constants(recorded.values.get(kind, ()), baseline.values[kind]):
            one = one._replace(verdict="other")
        learned.append(one)
    return tuple(learned)


def rules_of(learned: Iterable[Learned], today: date, source: str) -> Rules:
    """The noise as rules to ignore it. `source` says in words where it was seen."""
    noise = [one for one in learned if one.verdict == "noise"]
    return Rules(tuple(_rule(one, today, source) for one in noise))


def _rule(one: Learned, today: date, source: str) -> IgnoreRule:
    seen, of = one.share
    low, high = one.share.interval
    kind = one.kind
    named = [word for word in (kind.command, kind.direction, kind.field, kind.rule) if word]
    return IgnoreRule(
        name=f"noise {' '.join(named)}",
        command=kind.command or None,
        direction=kind.direction,
        field=kind.field,
        rule=kind.rule,
        reason=f"differs {source} in {seen} of {of} pairs (most likely in {low:.0%} to {high:.0%} of all)",
        support=(seen, of),
        date=today,
    )


def _judged(kind: Kind, recorded: Observed, controls: Sequence[Observed]) -> Learned:
    shares = [control.share(kind) for control in controls]
    share = Share(sum(one.seen for one in shares), sum(one.of for one in shares))
    return Learned(kind, share, _verdict(kind, share, shares, recorded.share(kind)))


def _verdict(kind: Kind, share: Share, shares: Sequence[Share], recorded: Share) -> Verdict:
    if kind.rule.startswith(_WHOLE) or kind.rule in _WHOLE_RULES:
        return "whole"
    if len(shares) > 1 and share.seen == shares[0].seen:
        return "once"
    if recorded.seen and recorded.interval[0] > share.interval[1]:
        return "often"
    return "noise"


def _are_other_constants(first: Sequence[str | None], second: Sequence[str | None]) -> bool:
    """Whether both sides say one thing each, more than once, and not the same."""
    constants = [set(values) for values in (first, second) if len(values) > 1]
    return len(constants) == 2 and all(len(one) == 1 for one in constants) and constants[0] != constants[1]


def _order(kind: Kind) -> tuple[str, ...]:
    return tuple(word or "" for word in kind)
