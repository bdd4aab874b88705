"""How findings are told: one module for each format, all from one comparison and its context."""

from qqlab.findings.context import SEVERITIES, Case, Context, Sides
from qqlab.findings.formats import FORMATS, Format
from qqlab.findings.kinds import nobody_answered
from qqlab.findings.seen import Seen
from qqlab.findings.text import Line, Span, Tone, lines, summary

__all__ = [
    "FORMATS",
    "SEVERITIES",
    "Case",
    "Context",
    "Format",
    "Line",
    "Seen",
    "Sides",
    "Span",
    "Tone",
    "lines",
    "nobody_answered",
    "summary",
]
