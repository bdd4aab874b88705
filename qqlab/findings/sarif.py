"""Findings as SARIF 2.1.0, for code scanning: each points at the line of the spec file that says how it should be.

Law: a deviating server has no source here, so the physical location is the fact in the spec, and the exchange is the
logical one. What is only a consequence is a note that leads to its cause. Fingerprints are the findings' ids, so the
same deviation is the same alert in each run. Plain text may hold links in SARIF: captured text makes none.
"""

import json
from collections.abc import Iterator
from typing import Any

import qqlab
from qqlab.codec import Severity
from qqlab.diff import Comparison, Finding, Suppressed
from qqlab.findings.context import Context
from qqlab.findings.kinds import consequences
from qqlab.findings.words import help_of, sentence, title, where
from qqlab.visible import json_safe, markdown_safe, visible

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_ROOT = "%SRCROOT%"


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """The log as text."""
    yield json_safe(json.dumps(log(comparison, context), indent=2, ensure_ascii=False)) + "\n"


def log(comparison: Comparison, context: Context) -> dict[str, Any]:
    """The whole log, with one run."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_Run(comparison, context).run()]}


class _Run:
    def __init__(self, comparison: Comparison, context: Context) -> None:
        self.comparison = comparison
        self.context = context
        listed = comparison.findings if context.equivalent else comparison.differences
        self.findings = list(listed)
        self.suppressed = list(comparison.suppressed) if context.suppressed else []
        self.causes = consequences(comparison)
        self.by_id = {finding.id: finding for finding in comparison.findings}
        shown = [*self.findings, *(one.finding for one in self.suppressed)]
        self.rules = {rule: index for index, rule in enumerate(dict.fromkeys(finding.rule for finding in shown))}

    def run(self) -> dict[str, Any]:
        """The run: the tool with its rules, and the results."""
        return {
            "tool": {
                "driver": {
                    "name": "qqlab",
                    "version": qqlab.__version__,
                    "semanticVersion": qqlab.__version__,
                    "rules": [_rule(rule, self._of(rule)) for rule in self.rules],
                }
            },
            "invocations": [
                {"executionSuccessful": True, "endTimeUtc": self.context.time.strftime("%Y-%m-%dT%H:%M:%SZ")}
            ],
            "columnKind": "unicodeCodePoints",
            "results": [
                *(self._result(finding) for finding in self.findings),
                *(self._suppressed(one) for one in self.suppressed),
            ],
            "properties": {
                "expected": visible(self.context.expected),
                "actual": visible(self.context.actual),
                "target": visible(self.context.target or ""),
                "compared": self.comparison.compared,
                "exchanges": self.comparison.total,
            },
        }

    def _of(self, rule: str) -> Severity:
        """The severity of a rule's findings."""
        found = [*self.findings, *(one.finding for one in self.suppressed)]
        return next(finding.severity for finding in found if finding.rule == rule)

    def _result(self, finding: Finding) -> dict[str, Any]:
        cause = self.causes.get(finding.id)
        told = f"{sentence(finding, self.context.spec)}. {visible(finding.reason, 200)}".strip()
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "ruleIndex": self.rules[finding.rule],
            "level": _LEVELS[finding.severity] if cause is None else "note",
            "message": {"text": _plain(told)},
            "locations": [self._location(finding)],
            "partialFingerprints": {"primaryLocationLineHash": finding.id, "qqlabFinding/v1": finding.id},
            "properties": {
                "severity": finding.severity,
                "exchange": visible(finding.exchange),
                "account": visible(finding.account),
                "reproduce": visible(self.context.again(finding) or ""),
            },
        }
        if cause is not None:
            first = self.by_id[cause.finding]
            words = f"follows from {where(first)}: {title(first, self.context.spec)}"
            result["relatedLocations"] = [{"id": 0, "message": {"text": _plain(words)}, **self._location(first)}]
        return result

    def _suppressed(self, suppressed: Suppressed) -> dict[str, Any]:
        why = f"{visible(suppressed.by, 100)}: {visible(suppressed.reason, 200)}"
        return self._result(suppressed.finding) | {"suppressions": [{"kind": "external", "justification": _plain(why)}]}

    def _location(self, finding: Finding) -> dict[str, Any]:
        artifact = {"uri": self.context.spec_uri}
        if ":" not in self.context.spec_uri.split("/")[0]:
            artifact["uriBaseId"] = _ROOT
        capture = self.context.expected if finding.exchange else self.context.actual
        identifier = visible(finding.exchange or finding.actual_exchange, 100)
        parts = identifier, finding.direction or "", finding.field or ""
        name = "/".join([visible(capture), *(visible(part, 100) for part in parts if part)])
        return {
            "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": self.context.line(finding)}},
            "logicalLocations": [{"name": identifier, "fullyQualifiedName": name, "kind": "element"}],
        }


def _rule(rule: str, severity: Severity) -> dict[str, Any]:
    words = help_of(rule) or rule
    return {
        "id": rule,
        "shortDescription": {"text": words.split(". ")[0].rstrip(".") + "."},
        "fullDescription": {"text": words},
        "help": {"text": words, "markdown": markdown_safe(words)},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": ["protocol"], "precision": "high"},
    }


def _plain(text: str) -> str:
    """Text in which nothing is taken for a link."""
    return text.replace("](", "] (")
