"""Findings as GitHub-flavoured Markdown, to be posted as a comment on a change.

Law: short enough for a comment, whatever was found: what has no room is counted. Captured text shows and does nothing
else (`markdown_safe`).
"""

from collections.abc import Iterator, Sequence

from qqlab.diff import Comparison, Finding
from qqlab.findings.context import Context
from qqlab.findings.kinds import Kind, by_rule, count, headline, kinds
from qqlab.findings.text import summary
from qqlab.findings.words import counted, title, value, where
from qqlab.visible import markdown_safe, visible

# A comment on GitHub has 65,536 characters at most.
ROOM = 60_000
_MOST = 5
_ACROSS = 120
_SIGNS = {"error": "🔴", "warning": "🟠", "info": "🔵"}


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """A headline, the kinds of findings as far as there is room, and the summary."""
    yield f"### qqlab: {_headline(comparison, context)}\n"
    told = kinds(comparison, context)
    end = _end(comparison, context)
    room = ROOM - len(end) - 500
    for index, kind in enumerate(told):
        part = "".join(_kind(kind, context))
        room -= len(part)
        if room < 0:
            yield f"\n… and {counted(len(told) - index, 'kind')} of findings more, for which there is no room here\n"
            break
        yield part
    yield end


def _headline(comparison: Comparison, context: Context) -> str:
    counts = count(comparison)
    if not comparison.differences:
        return "no differences" if comparison.compared else "nothing was compared"
    follow = f" and {counted(counts.consequences, 'consequence')}" if counts.consequences else ""
    where = f" of {markdown_safe(context.target)}" if context.target else ""
    return f"{headline(counts)}{where}{follow}"


def _kind(kind: Kind, context: Context) -> Iterator[str]:
    first = kind.first
    yield f"\n{_SIGNS[first.severity]} **{first.severity}: {markdown_safe(title(first, context.spec))}** "
    yield f"(`{first.rule}`)\n\n"
    yield from _table(kind.findings)
    if kind.cause is not None:
        yield f"\n<details><summary>explains {counted(kind.following, 'other finding')}: "
        yield f"{markdown_safe(visible(kind.cause.why, 200))}</summary>\n\n"
        for one in kind.follows[:_MOST]:
            yield f"- {markdown_safe(title(one.first, context.spec))} ({counted(len(one.findings), 'time')})\n"
        if len(kind.follows) > _MOST:
            yield f"- … and {counted(len(kind.follows) - _MOST, 'kind')} more\n"
        yield "\n</details>\n"
    if kind.why:
        yield f"\nwhy {first.severity}: {markdown_safe(visible(kind.why, 200))}\n"
    if kind.hint:
        yield f"\n{markdown_safe(kind.hint)}\n"
    again = context.again(*kind.findings)
    if again is not None:
        yield f"\n<sub>again:</sub> <code>{markdown_safe(again)}</code>\n"


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    yield "| exchange | expected | got |\n|---|---|---|\n"
    for finding in findings[:_MOST]:
        cells = (
            where(finding).removeprefix("exchange "),
            value(finding.expected, _ACROSS),
            value(finding.actual, _ACROSS),
        )
        yield "| " + " | ".join(markdown_safe(cell or "") for cell in cells) + " |\n"
    if len(findings) > _MOST:
        yield f"| … and {len(findings) - _MOST:,} more | | |\n"


def _end(comparison: Comparison, context: Context) -> str:
    told = [f"- {markdown_safe(line)}\n" for line in summary(comparison)[:20]]
    if context.suppressed:
        for (by, _), found in by_rule(comparison).items():
            for finding in found[:_MOST]:
                told.append(
                    f"- ignored by {markdown_safe(visible(by, 40))}: {markdown_safe(title(finding, context.spec))}\n"
                )
    return "\n" + "".join(told)
