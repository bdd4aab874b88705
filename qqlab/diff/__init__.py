"""Comparing captures by meaning: what the spec says decides what is equal, equivalent or different."""

from qqlab.diff.compare import Comparison, Tally, Telling, Witness, compare, tallied
from qqlab.diff.finding import RULES, Cause, Finding, Ignoring, Rule, Suppressed, describe
from qqlab.diff.pair import Judged, judge, logged_in
from qqlab.diff.pushes import is_push
from qqlab.diff.stream import Paired, Place

__all__ = [
    "RULES",
    "Cause",
    "Comparison",
    "Finding",
    "Ignoring",
    "Judged",
    "Paired",
    "Place",
    "Rule",
    "Suppressed",
    "Tally",
    "Telling",
    "Witness",
    "compare",
    "describe",
    "is_push",
    "judge",
    "logged_in",
    "tallied",
]
