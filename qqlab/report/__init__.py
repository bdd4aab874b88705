"""Reports: what captures show, held against the spec, as HTML, Markdown and JSON."""

from qqlab.report.build import build
from qqlab.report.explore import Exploration, explore
from qqlab.report.files import check_free, write, write_report
from qqlab.report.glance import Looked, SpecText
from qqlab.report.model import Report
from qqlab.report.older import Older, read_older
from qqlab.report.render import to_html, to_json, to_markdown
from qqlab.report.streaming import Surveyed, exploration_of, report_of, survey

__all__ = [
    "Exploration",
    "Looked",
    "Older",
    "Report",
    "SpecText",
    "Surveyed",
    "build",
    "check_free",
    "exploration_of",
    "explore",
    "read_older",
    "report_of",
    "survey",
    "to_html",
    "to_json",
    "to_markdown",
    "write",
    "write_report",
]
