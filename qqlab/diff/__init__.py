"""Comparing captures by meaning: what the spec says decides what is equal, equivalent or different."""

from qqlab.diff.compare import Comparison, compare
from qqlab.diff.document import document
from qqlab.diff.finding import RULES, Finding, describe
from qqlab.diff.text import Line, lines, outcome, summary

__all__ = ["RULES", "Comparison", "Finding", "Line", "compare", "describe", "document", "lines", "outcome", "summary"]
