"""Comparing captures by meaning: what the spec says decides what is equal, equivalent or different."""

from qqlab.diff.compare import Comparison, Tally, Telling, Witness, compare
from qqlab.diff.finding import RULES, Cause, Finding, Ignoring, Rule, Suppressed, describe
from qqlab.diff.pair import Judged, judge, logged_in

__all__ = [
    "RULES",
    "Cause",
    "Comparison",
    "Finding",
    "Ignoring",
    "Judged",
    "Rule",
    "Suppressed",
    "Tally",
    "Telling",
    "Witness",
    "compare",
    "describe",
    "judge",
    "logged_in",
]
