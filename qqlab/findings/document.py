"""Findings for other programs: one versioned JSON document, or JSON lines.

Law: the form is a promise: a change that breaks readers raises `qqlab_diff`. Captured text stands in it as it was,
written so that it acts on no terminal. File names can hold what is no Unicode, which msgspec does not write.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from qqlab.diff import Comparison, Finding, Suppressed
from qqlab.findings.context import Context
from qqlab.findings.kinds import Counts, consequences, count
from qqlab.findings.words import sentence
from qqlab.visible import json_safe

FORMAT = 2


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """The document as text."""
    yield json_safe(json.dumps(document(comparison, context), indent=2, ensure_ascii=False)) + "\n"


def render_lines(comparison: Comparison, context: Context) -> Iterator[str]:
    """A finding a line, those that were suppressed where asked for, and the summary as the last line."""
    for finding in _listed(comparison, context):
        yield _line(finding)
    if context.suppressed:
        for suppressed in comparison.suppressed:
            yield _line({"suppressed": _suppressed(suppressed, context)})
    head = {name: value for name, value in document(comparison, context).items() if name not in _LISTS}
    yield _line(head)


def document(comparison: Comparison, context: Context) -> dict[str, Any]:
    """The document. Equivalences and suppressed findings are listed where asked for, and counted in any case."""
    counts = count(comparison)
    return {
        "qqlab_diff": FORMAT,
        "spec": context.spec_file,
        "expected": context.expected,
        "actual": context.actual,
        "target": context.target,
        "summary": _summary(comparison, counts),
        "causes": [cause._asdict() for cause in comparison.causes],
        "findings": list(_listed(comparison, context)),
        "suppressed": [_suppressed(one, context) for one in comparison.suppressed] if context.suppressed else [],
        "unused_rules": comparison.unused,
    }


_LISTS = ("findings", "suppressed")


def _summary(comparison: Comparison, counts: Counts) -> dict[str, Any]:
    return {
        "exchanges": comparison.total,
        "compared": comparison.compared,
        "equal": comparison.equal,
        "equivalent": comparison.equivalent,
        "different": comparison.different,
        "not_compared": comparison.skipped,
        "findings": counts.severities,
        "causes": counts.causes,
        "consequences": counts.consequences,
        "suppressed": counts.suppressed,
    }


def _listed(comparison: Comparison, context: Context) -> Iterator[dict[str, Any]]:
    causes = consequences(comparison)
    listed: Iterable[Finding] = comparison.findings if context.equivalent else comparison.differences
    for finding in listed:
        cause = causes.get(finding.id)
        yield _finding(finding, context) | {"cause": None if cause is None else cause.finding}


def _finding(finding: Finding, context: Context) -> dict[str, Any]:
    """A finding as it is, with what is told of it."""
    told: dict[str, Any] = msgspec.to_builtins(finding)
    return told | {
        "text": sentence(finding, context.spec),
        "reproduce": context.again(finding),
        "spec_line": context.line(finding),
    }


def _suppressed(suppressed: Suppressed, context: Context) -> dict[str, Any]:
    return {"finding": _finding(suppressed.finding, context), "by": suppressed.by, "reason": suppressed.reason}


def _line(value: Any) -> str:
    return json_safe(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + "\n"
