"""The formats in which findings are told, by the names that the command line gives them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from qqlab.diff import Comparison
from qqlab.findings import document, github, junit, markdown, page, sarif, text
from qqlab.findings.context import Context


class Format(NamedTuple):
    """How to tell a comparison, piece by piece; for whom; and what of the exchanges it needs beside the findings."""

    render: Callable[[Comparison, Context], Iterable[str]]
    about: str
    cases: bool = False
    sides: bool = False


FORMATS: dict[str, Format] = {
    "text": Format(text.render, "as on the terminal, every finding listed"),
    "json": Format(document.render, "one document for programs"),
    "ndjson": Format(document.render_lines, "a finding a line for programs, the summary as the last line"),
    "junit": Format(junit.render, "JUnit XML for the test view of a CI: an exchange a test case", cases=True),
    "sarif": Format(sarif.render, "SARIF 2.1.0 for code scanning, pointing at lines of the spec"),
    "github": Format(github.render, "annotations of a GitHub workflow, for standard output"),
    "markdown": Format(markdown.render, "for a comment on a change"),
    "html": Format(page.render, "one page for people: both sides field by field", sides=True),
}
