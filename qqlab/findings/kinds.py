"""Findings sorted for people: causes first with what follows from them, and all of a kind together.

Law: a kind is what has one title: the same command, place and rule; each finding is in one kind, and a consequence
only under its cause. Order: causes by how much they explain, then errors before warnings, then as captured.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qqlab.codec import Severity
from qqlab.diff import Cause, Comparison, Finding
from qqlab.findings.context import SEVERITIES, Context

# Their titles name the row.
_OF_ROWS = ("row.missing", "row.extra", "row.value")


class Kind(NamedTuple):
    """Findings with one title. `cause` says what the one finding explains, and `follows` holds those, by kind."""

    findings: tuple[Finding, ...]
    cause: Cause | None = None
    follows: "tuple[Kind, ...]" = ()

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
    return told + _sorted(finding for finding in listed if finding.id not in caused and finding.id not in following)


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
    row = finding.row if finding.rule in _OF_ROWS else None
    return finding.severity, finding.command, finding.direction, finding.field, finding.rule, row


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
