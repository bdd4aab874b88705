"""A comparison as plain text: findings in aligned columns, grouped by command, and a summary.

Law: every captured text passes `visible` and is cut; nothing here prints or knows colours, a line only says how
severe it is.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qqlab.codec import Severity
from qqlab.diff.compare import Comparison
from qqlab.diff.finding import Finding
from qqlab.visible import visible

_WIDEST = 60


class Line(NamedTuple):
    """One line, and the severity of the finding that it tells; None where it tells none."""

    text: str
    severity: Severity | None = None


def lines(comparison: Comparison, *, equivalent: bool = False) -> list[Line]:
    """The whole comparison; equivalences are listed where asked for, and counted in any case."""
    listed = comparison.findings if equivalent else comparison.differences
    groups: dict[str, list[Finding]] = {}
    for finding in listed:
        groups.setdefault(finding.command, []).append(finding)
    told = []
    for command, findings in groups.items():
        told.append(Line(visible(command, _WIDEST) or "(no command)"))
        told.extend(_aligned(findings))
    return [*told, *(Line(text) for text in summary(comparison))]


def summary(comparison: Comparison) -> list[str]:
    """How many exchanges were compared, with what result, and why the others were not."""
    counts = f"{comparison.equal} equal, {comparison.equivalent} equivalent, {comparison.different} different"
    told = [f"compared {comparison.compared} of {comparison.total} exchanges: {counts}"]
    told += [
        f"not compared: {len(ids)}, {visible(reason, 200)} ({_some(ids)})" for reason, ids in comparison.skipped.items()
    ]
    return told


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(visible(identifier, 20) for identifier in ids[:8])
    return shown if len(ids) <= 8 else f"{shown}, …"


def _aligned(findings: Iterable[Finding]) -> list[Line]:
    rows = [
        (
            finding.severity,
            visible(finding.exchange or finding.actual_exchange, 20),
            finding.rule,
            _place(finding),
            outcome(finding),
        )
        for finding in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    told = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        told.append(Line("  ".join(["", *cells, row[4]]).rstrip(), row[0]))
    return told


def _place(finding: Finding) -> str:
    """The field, with the row that it stands in."""
    field = visible(finding.field or "", 20)
    if finding.row is None:
        return ("request " if finding.direction == "request" else "") + field
    return f"{field}[{visible(finding.row, 20)}]"


def outcome(finding: Finding) -> str:
    """What was expected and what came, in words."""
    sides = finding.expected, finding.actual
    expected, actual = (None if side is None else visible(side, _WIDEST) or "(empty)" for side in sides)
    if expected is None and actual is None:
        return ""
    if actual is None:
        return f"expected {expected}"
    if expected is None:
        return f"unexpected {actual}"
    return f"expected {expected}, got {actual}"
