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

KEYS = {
    "qqlab_diff": "The version of this form.",
    "spec": "The spec file.",
    "expected": "The capture that says how it should be.",
    "actual": "The capture that was held against it, empty where a replay was kept nowhere.",
    "target": "The server that a replay asked, null for a comparison of captures.",
    "summary": "Counts: exchanges, findings by severity, those that nothing explains (`causes`), those that follow "
    "from one of them (`consequences`), those that a rule suppressed; and ids of what was not compared, by reason.",
    "causes": "Findings that explain others: `finding` is its id, `why` a sentence, `consequences` are ids.",
    "findings": "The findings in the order of the capture: see below. Equivalences stand among them with --equivalent.",
    "suppressed": "With --show-suppressed: `finding`, the name of the rule that it was suppressed `by`, its `reason`.",
    "unused_rules": "Names of rules that matched nothing.",
}
FINDING = {
    "id": "The same in each run: what deviates where.",
    "exchange": "Id in the first capture, empty where only the second has it.",
    "actual_exchange": "Id in the second capture, empty where there is none.",
    "command": "The command, as the spec spells it.",
    "account": "The account that asked.",
    "rule": "Which rule of the comparison (see codes.md).",
    "severity": "`error`, `warning`, or `info` for an equivalence.",
    "reason": "Why it is so severe.",
    "direction": "`request` or `reply`, null for what concerns the whole exchange.",
    "field": "The field, or the column of a row.",
    "row": "The key of a row, or `#n` for its place.",
    "expected": "What the first capture has, null where it has nothing. Secrets never stand here.",
    "actual": "What came instead.",
    "about": "Accounts that it speaks of.",
    "text": "All of it in words.",
    "reproduce": "The command line that shows it again, null where nothing can be asked anew.",
    "spec_line": "The line of the spec file that says how it should be.",
    "cause": "The id of the finding that explains this one, or null.",
}


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
        **({} if context.course is None else {"replay": context.course}),
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
