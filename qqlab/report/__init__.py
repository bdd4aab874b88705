"""Reports: what captures show, held against the spec, as HTML, Markdown and JSON."""

from qqlab.report.build import build
from qqlab.report.explore import Exploration, explore
from qqlab.report.files import write, write_report
from qqlab.report.model import Report
from qqlab.report.older import Older, read_older
from qqlab.report.render import to_html, to_json, to_markdown

__all__ = [
    "Exploration",
    "Older",
    "Report",
    "build",
    "explore",
    "read_older",
    "to_html",
    "to_json",
    "to_markdown",
    "write",
    "write_report",
]
