"""Findings as lines for a terminal: causes first with what follows, aligned, each kind once with its exchanges.

Law: every captured text passes `visible` and is cut; nothing here prints or knows colours, a span only says what it
is. A kind with many findings shows the first of them and how many more there are.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from qqlab.codec import Severity
from qqlab.diff import Comparison, Finding
from qqlab.findings.context import Context
from qqlab.findings.kinds import Counts, Kind, by_rule, count, headline, kinds
from qqlab.findings.words import counted, outcome, title, where
from qqlab.visible import visible

Tone = Severity | Literal["strong", "quiet", "plain"]

MOST = 8
_MOST_IDS = 8
_ACROSS = 100


class Span(NamedTuple):
    """Some text, and what it is."""

    text: str
    tone: Tone = "plain"


class Line(NamedTuple):
    """One line of spans."""

    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The line without its tones."""
        return "".join(span.text for span in self.spans).rstrip()


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """All of it as plain text, with every finding of a kind."""
    for line in lines(comparison, context, most=None):
        yield line.text + "\n"


def lines(comparison: Comparison, context: Context, *, most: int | None = MOST) -> list[Line]:
    """All of it: the kinds, each with `most` of its findings at most, and the summary."""
    told = [line for kind in kinds(comparison, context) for line in _kind(kind, context, most)]
    if context.suppressed:
        told += [line for rule, found in by_rule(comparison).items() for line in _ignored(*rule, found, context, most)]
    return [*told, *(Line((Span(line),)) for line in summary(comparison))]


def summary(comparison: Comparison) -> list[str]:
    """How many exchanges were compared, with what result; why the others were not; and what was found."""
    counts = f"{comparison.equal} equal, {comparison.equivalent} equivalent, {comparison.different} different"
    told = [f"compared {comparison.compared:,} of {counted(comparison.total, 'exchange')}: {counts}"]
    told += [
        f"not compared: {counted(len(ids), 'exchange')}, {visible(reason, 200)} (id{'s'[: len(ids) != 1]} {_some(ids)})"
        for reason, ids in comparison.skipped.items()
    ]
    if comparison.differences:
        told.append(_found(count(comparison)))
    told += [
        f"suppressed: {len(found)} by {visible(by, 40)}" + (f" ({visible(reason, 100)})" if reason else "")
        for (by, reason), found in by_rule(comparison).items()
    ]
    if comparison.unused:
        told.append(f"rules that matched nothing: {', '.join(visible(name, 40) for name in comparison.unused)}")
    return told


def _found(counts: Counts) -> str:
    severities = ", ".join(
        counted(number, severity) for severity, number in counts.severities.items() if number and severity != "info"
    )
    follow = f", and {counted(counts.consequences, 'consequence')}" if counts.consequences else ""
    return f"found {headline(counts)}{follow} ({severities})"


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(visible(identifier, 20) for identifier in ids[:_MOST_IDS])
    return shown if len(ids) <= _MOST_IDS else f"{shown}, …"


def _kind(kind: Kind, context: Context, most: int | None) -> Iterator[Line]:
    first = kind.first
    yield _head(first, title(first, context.spec), f"  [{first.rule}]")
    yield from _entries(kind.findings[:most], accounts=kind.cause is not None)
    if most is not None and len(kind.findings) > most:
        yield _indented(f"… and {len(kind.findings) - most:,} more", "quiet")
    if kind.cause is not None:
        yield _indented(f"explains {counted(kind.following, 'other')}: {visible(kind.cause.why, 200)}", "quiet")
        yield from (_indented(f"  {_followed(one, context)}") for one in kind.follows[:most])
        if most is not None and len(kind.follows) > most:
            yield _indented(f"  … and {counted(len(kind.follows) - most, 'kind')} more", "quiet")
    if kind.why:
        yield _indented(f"why {first.severity}: {visible(kind.why, 200)}", "quiet")
    if kind.hint:
        yield _indented(kind.hint, "quiet")
    again = context.again(*kind.findings)
    if again is not None:
        yield _indented(visible(again), "quiet")


def _head(finding: Finding, text: str, rule: str) -> Line:
    return Line((Span(f"{finding.severity:<7}", finding.severity), Span(f"  {text}", "strong"), Span(rule, "quiet")))


def _indented(text: str, tone: Tone = "plain") -> Line:
    return Line((Span(f"         {text}", tone),))


def _entries(findings: Sequence[Finding], *, accounts: bool) -> Iterator[Line]:
    """The findings of a kind, in columns."""
    wheres = [where(finding) + (_account(finding) if accounts else "") for finding in findings]
    width = max(map(len, wheres))
    for finding, place in zip(findings, wheres, strict=True):
        identifier = Span(f"         {visible(finding.id, 8)}  ", "quiet")
        yield Line((identifier, Span(f"{place.ljust(width)}  {outcome(finding, _ACROSS)}")))


def _followed(kind: Kind, context: Context) -> str:
    ids = _some([finding.exchange or finding.actual_exchange for finding in kind.findings])
    return f"{title(kind.first, context.spec)} (exchange{'s'[: len(kind.findings) != 1]} {ids})"


def _account(finding: Finding) -> str:
    return f", account {visible(finding.account, 30)}" if finding.account else ""


def _ignored(by: str, reason: str, found: Sequence[Finding], context: Context, most: int | None) -> Iterator[Line]:
    yield Line((Span("ignored", "quiet"), Span(f"  {visible(by, 40)}: {visible(reason, 100)}", "quiet")))
    for finding in found[:most]:
        yield _indented(f"{where(finding)}  {title(finding, context.spec)}: {outcome(finding, _ACROSS)}", "quiet")
    if most is not None and len(found) > most:
        yield _indented(f"… and {len(found) - most} more", "quiet")
