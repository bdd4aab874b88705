"""The formats in which findings are told, by the names that the command line gives them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from qqlab.diff import Comparison
from qqlab.findings import document, github, junit, markdown, page, sarif, text
from qqlab.findings.context import Context


class Format(NamedTuple):
    """How to tell a comparison, piece by piece; for whom, and how it is used; and what of the exchanges it needs beside
    the findings."""

    render: Callable[[Comparison, Context], Iterable[str]]
    about: str
    use: str
    cases: bool = False
    sides: bool = False


FORMATS: dict[str, Format] = {
    "text": Format(text.render, "People: as on the terminal, with every finding.", "`--report text=findings.txt`"),
    "json": Format(document.render, "Programs: one document.", "`--json`, or `--report json=findings.json`"),
    "ndjson": Format(
        document.render_lines,
        "Programs: a finding a line, and the rest of the document as the last line.",
        "`--report ndjson=- | jq 'select(.severity == \"error\")'`",
    ),
    "junit": Format(
        junit.render,
        "A CI's view of tests: a suite for each command, a test case for each exchange. What follows from another "
        "finding is skipped; what is milder than --fail-on stands in the output of its suite.",
        "GitLab: `artifacts: reports: junit: findings.xml`; Jenkins: `junit 'findings.xml'`",
        cases=True,
    ),
    "sarif": Format(
        sarif.render,
        "Code scanning (SARIF 2.1.0): each finding at the line of the spec file that says how it should be.",
        "GitHub: `github/codeql-action/upload-sarif` with `sarif_file: findings.sarif`",
    ),
    "github": Format(
        github.render,
        "A step of a GitHub workflow: its annotations, one for each kind of finding.",
        "`--report github=-` in the step's `run`",
    ),
    "markdown": Format(
        markdown.render,
        "A comment on a change, never longer than one may be.",
        "`gh pr comment --body-file findings.md`, or `--report markdown=$GITHUB_STEP_SUMMARY --force`",
    ),
    "html": Format(
        page.render,
        "People: one page with both sides field by field, to be filtered, linked to and printed. It runs no script and "
        "asks for nothing.",
        "`--report html=findings.html`, and keep it as an artifact of the CI",
        sides=True,
    ),
}
