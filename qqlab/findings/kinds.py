"""Findings sorted for people: causes first with what follows from them, and all of a kind together.

Law: a kind is what has one title: the same command, place and rule; each finding is in one kind, and a consequence
only under its cause. Order: causes by how much they explain, then errors before warnings, then as captured.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from qqlab.codec import Severity
from qqlab.diff import Cause, Comparison, Finding
from qqlab.findings.context import SEVERITIES, Context
from qqlab.findings.words import counted

# Their titles name the row.
_OF_ROWS = ("row.missing", "row.extra", "row.value")
_TOO_MUCH = ("row.extra", "push.extra")
_AWAY = ("target.refused", "target.unreachable")
_AFRESH = (
    "was the server started afresh? what it remembers of an earlier replay looks like this, too; "
    "what differs by itself is learned with --control 2"
)


class Kind(NamedTuple):
    """Findings with one title. `cause` says what the one finding explains, and `follows` holds those, by kind. `why`
    says why it is so severe, where another kind has the same title and is not; `hint` what else may be the reason;
    both are empty where there is nothing to say."""

    findings: tuple[Finding, ...]
    cause: Cause | None = None
    follows: "tuple[Kind, ...]" = ()
    why: str = ""
    hint: str = ""

    @property
    def first(self) -> Finding:
        """The one that speaks for all."""
        return self.findings[0]

    @property
    def following(self) -> int:
        """How many findings follow from this one."""
        return sum(len(kind.findings) for kind in self.follows)


class Counts(NamedTuple):
    """How many findings there are: by severity, and of the differences those that nothing else explains (`causes`),
    which are of so many `kinds`, and those that follow from one of them (`consequences`)."""

    severities: dict[Severity, int]
    causes: int
    kinds: int
    consequences: int
    suppressed: int


def kinds(comparison: Comparison, context: Context) -> list[Kind]:
    """All that is to be listed."""
    listed = comparison.findings if context.equivalent else comparison.differences
    by_id = {finding.id: finding for finding in listed}
    following = consequences(comparison)
    told = []
    for cause in comparison.causes:
        if cause.finding in by_id:
            follows = _sorted(by_id[one] for one in cause.consequences if one in by_id)
            told.append(Kind((by_id[cause.finding],), cause, tuple(follows)))
    told.sort(key=lambda kind: -kind.following)
    caused = {kind.first.id for kind in told}
    told += _sorted(finding for finding in listed if finding.id not in caused and finding.id not in following)
    return list(_hinted(_told_apart(told), context))


def _told_apart(told: Sequence[Kind]) -> Iterator[Kind]:
    """The kinds, those with the same title and unlike severities each with its reason."""
    severities: dict[tuple[object, ...], set[Severity]] = {}
    for kind in told:
        severities.setdefault(_place(kind.first), set()).add(kind.first.severity)
    for kind in told:
        yield kind._replace(why=kind.first.reason) if len(severities[_place(kind.first)]) > 1 else kind


def _hinted(told: Iterable[Kind], context: Context) -> Iterator[Kind]:
    """The kinds, the first that a server which was not started afresh may have with a hint at that."""
    hint = _AFRESH if context.target is not None else ""
    for kind in told:
        fits = kind.first.rule in _TOO_MUCH
        yield kind._replace(hint=hint) if fits else kind
        hint = "" if fits else hint


def nobody_answered(comparison: Comparison) -> bool:
    """Whether no connection came about at all."""
    found = comparison.differences
    return comparison.compared == comparison.different and bool(found) and all(one.rule in _AWAY for one in found)


def headline(counts: Counts) -> str:
    """How many mistakes there seem to be: `3 differences`, `1 kind of differences in 4 places`."""
    if counts.kinds == counts.causes:
        return counted(counts.causes, "difference")
    return f"{counted(counts.kinds, 'kind')} of differences in {counted(counts.causes, 'place')}"


def consequences(comparison: Comparison) -> dict[str, Cause]:
    """The ids of findings that follow from another, each with its cause."""
    known = {finding.id for finding in comparison.findings}
    causes = [cause for cause in comparison.causes if cause.finding in known]
    return {one: cause for cause in causes for one in cause.consequences if one in known}


def count(comparison: Comparison) -> Counts:
    """The findings, counted."""
    severities = dict.fromkeys(reversed(SEVERITIES), 0)
    for finding in comparison.findings:
        severities[finding.severity] += 1
    following = consequences(comparison)
    causes = [finding for finding in comparison.differences if finding.id not in following]
    follow = len(comparison.differences) - len(causes)
    return Counts(severities, len(causes), len(set(map(_key, causes))), follow, len(comparison.suppressed))


def _key(finding: Finding) -> tuple[object, ...]:
    """What findings of one kind have in common."""
    return finding.severity, *_place(finding)


def _place(finding: Finding) -> tuple[object, ...]:
    """What findings of one title have in common."""
    row = finding.row if finding.rule in _OF_ROWS else None
    return finding.command, finding.direction, finding.field, finding.rule, row


def _sorted(findings: Iterable[Finding]) -> list[Kind]:
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_key(finding), []).append(finding)
    told = [Kind(tuple(group)) for group in groups.values()]
    return sorted(told, key=lambda kind: -SEVERITIES.index(kind.first.severity))


def by_rule(comparison: Comparison) -> dict[tuple[str, str], Sequence[Finding]]:
    """What was suppressed, by the name of the ignore rule and its reason."""
    told: dict[tuple[str, str], list[Finding]] = {}
    for finding, by, reason in comparison.suppressed:
        told.setdefault((by, reason), []).append(finding)
    return dict(told)
