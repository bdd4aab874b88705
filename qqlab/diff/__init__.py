"""Comparing captures by meaning: what the spec says decides what is equal, equivalent or different."""

from qqlab.diff.compare import Comparison, compare
from qqlab.diff.document import document
from qqlab.diff.finding import RULES, Cause, Finding, Ignoring, Rule, Suppressed, describe
from qqlab.diff.pair import Judged, judge
from qqlab.diff.text import Line, lines, outcome, summary

__all__ = [
    "RULES",
    "Cause",
    "Comparison",
    "Finding",
    "Ignoring",
    "Judged",
    "Line",
    "Rule",
    "Suppressed",
    "compare",
    "describe",
    "document",
    "judge",
    "lines",
    "outcome",
    "summary",
]
