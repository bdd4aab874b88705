"""Findings as JUnit XML, for the test view of a CI: a suite for each command, a test case for each exchange.

Law: valid against both schemas in use (that of Jenkins' xUnit plug-in and that of Ant), so a case has one outcome at
most and only suites have output. What is only a consequence is skipped, with its cause: it says nothing on its own.
Every captured text passes `visible` before it is escaped, so no character stands there that XML has not.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar
from xml.sax.saxutils import escape, quoteattr

from qqlab.diff import Comparison, Finding
from qqlab.findings.context import Case, Context
from qqlab.findings.kinds import consequences
from qqlab.findings.words import counted, sentence, where
from qqlab.visible import visible

_WIDEST = 500

_T = TypeVar("_T")


class _Outcome(NamedTuple):
    """What came of one case: `failure`, `error`, `skipped`, or nothing; a message, a type, and more to read."""

    kind: str = ""
    message: str = ""
    type: str = ""
    text: str = ""


class _Judge:
    """Says what came of each exchange."""

    def __init__(self, comparison: Comparison, context: Context) -> None:
        self.context = context
        self.causes = consequences(comparison)
        self.by_id = {finding.id: finding for finding in comparison.findings}
        self.explains = {cause.finding: len(cause.consequences) for cause in comparison.causes}
        self.found = _by_exchange((finding, finding) for finding in comparison.findings)
        ignored = comparison.suppressed if context.suppressed else ()
        self.suppressed = _by_exchange((one.finding, one) for one in ignored)

    def cases(self) -> list[Case]:
        """All exchanges: those that were compared, and those that only findings tell of."""
        known = {(case.exchange, case.actual_exchange) for case in self.context.cases}
        others = [Case(*ids, found[0].command) for ids, found in self.found.items() if ids not in known]
        return [*self.context.cases, *others]

    def outcome(self, case: Case) -> _Outcome:
        """What came of one exchange."""
        failing = [finding for finding in self._findings(case) if self.context.fails(finding)]
        causes = [finding for finding in failing if finding.id not in self.causes]
        if causes:
            broken = causes[0].rule.startswith("target.")
            more = f", and {counted(len(failing) - 1, 'more finding')}" if len(failing) > 1 else ""
            explains = self.explains.get(causes[0].id, 0)
            more += f" (explains {counted(explains, 'finding')} elsewhere)" if explains else ""
            message = sentence(causes[0], self.context.spec, _WIDEST) + more
            text = "\n\n".join(self._told(finding) for finding in failing)
            return _Outcome("error" if broken else "failure", message, causes[0].rule, text)
        if failing:
            cause = self.causes[failing[0].id]
            first = self.by_id[cause.finding]
            return _Outcome("skipped", f"follows from {where(first)}: {sentence(first, self.context.spec, _WIDEST)}")
        return _Outcome() if case.skipped is None else _Outcome("skipped", visible(case.skipped, _WIDEST))

    def mild(self, case: Case) -> Iterator[str]:
        """What was found, but fails nothing; what was suppressed, where that is asked for."""
        for finding in self._findings(case):
            if not self.context.fails(finding):
                yield f"{where(finding)}: {finding.severity}: {sentence(finding, self.context.spec, _WIDEST)}"
        for finding, by, reason in self.suppressed.get((case.exchange, case.actual_exchange), ()):
            rule = f"suppressed by {visible(by, 100)} ({visible(reason, 200)})"
            yield f"{where(finding)}: {rule}: {sentence(finding, self.context.spec, _WIDEST)}"

    def _findings(self, case: Case) -> Sequence[Finding]:
        return self.found.get((case.exchange, case.actual_exchange), ())

    def _told(self, finding: Finding) -> str:
        """A finding in some lines."""
        told = [
            f"{finding.severity}: {sentence(finding, self.context.spec, _WIDEST)}",
            f"why {finding.severity}: {visible(finding.reason, _WIDEST)}" if finding.reason else "",
            f"spec: {visible(self.context.spec_file)}:{self.context.line(finding)}",
            f"id: {visible(finding.id, 40)}",
        ]
        if finding.id in self.causes:
            told.append(f"follows from: {visible(self.causes[finding.id].finding, 40)}")
        if finding.id in self.explains:
            told.append(f"explains: {counted(self.explains[finding.id], 'other finding')}")
        again = self.context.again(finding)
        told.append("" if again is None else f"again: {visible(again)}")
        return "\n".join(line for line in told if line)


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """The document, suite by suite."""
    judge = _Judge(comparison, context)
    suites: dict[str, list[Case]] = {}
    for case in judge.cases():
        suites.setdefault(case.command, []).append(case)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    for number, (command, cases) in enumerate(suites.items()):
        yield from _suite(number, command, cases, judge)
    yield "</testsuites>\n"


def _suite(number: int, command: str, cases: Sequence[Case], judge: _Judge) -> Iterator[str]:
    outcomes = [judge.outcome(case) for case in cases]
    kinds = [outcome.kind for outcome in outcomes]
    name = visible(command, 100) or "(no command)"
    attributes = {
        "name": name,
        "id": str(number),
        "package": "qqlab",
        "hostname": "localhost",
        "timestamp": judge.context.time.strftime("%Y-%m-%dT%H:%M:%S"),
        "tests": str(len(cases)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": _seconds(sum(case.seconds or 0 for case in cases)),
    }
    yield f"  <testsuite{_attributes(attributes)}>\n"
    yield from _properties(judge.context)
    for case, outcome in zip(cases, outcomes, strict=True):
        yield from _case(name, case, outcome)
    mild = "\n".join(line for case in cases for line in judge.mild(case))
    yield f"    <system-out>{escape(mild)}</system-out>\n    <system-err></system-err>\n  </testsuite>\n"


def _properties(context: Context) -> Iterator[str]:
    yield "    <properties>\n"
    for name, value in (
        ("expected", context.expected),
        ("actual", context.actual),
        ("target", context.target or ""),
        ("spec", context.spec_file),
    ):
        if value:
            yield f"      <property{_attributes({'name': name, 'value': visible(value)})}/>\n"
    yield "    </properties>\n"


def _case(command: str, case: Case, outcome: _Outcome) -> Iterator[str]:
    second = "" if case.exchange else " of the second capture"
    name = f"exchange {visible(case.exchange or case.actual_exchange, 100)}{second}"
    attributes = _attributes({"classname": command, "name": name, "time": _seconds(case.seconds or 0)})
    if not outcome.kind:
        yield f"    <testcase{attributes}/>\n"
        return
    told = {"message": outcome.message, "type": outcome.type}
    given = _attributes({key: value for key, value in told.items() if value})
    yield f"    <testcase{attributes}>\n      <{outcome.kind}{given}>{escape(outcome.text)}</{outcome.kind}>\n"
    yield "    </testcase>\n"


def _by_exchange(told: Iterable[tuple[Finding, _T]]) -> dict[tuple[str, str], list[_T]]:
    """What is told of findings, by the ids of their exchanges."""
    found: dict[tuple[str, str], list[_T]] = {}
    for finding, one in told:
        found.setdefault((finding.exchange, finding.actual_exchange), []).append(one)
    return found


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items())


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
