"""Findings as annotations of GitHub's workflows: lines on standard output that put them beside the spec in a change.

Law: a line for each kind, causes first, since only the first ten of a step are shown; consequences are counted in their
cause's line. Text passes `visible` and GitHub's own escaping, so that no captured byte begins a command of its own.
"""

from collections.abc import Iterator

from qqlab.codec import Severity
from qqlab.diff import Comparison
from qqlab.findings.context import Context
from qqlab.findings.kinds import Kind, kinds
from qqlab.findings.text import summary
from qqlab.findings.words import counted, outcome, title, where
from qqlab.visible import visible

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}
_MOST = 5


def render(comparison: Comparison, context: Context) -> Iterator[str]:
    """An annotation for each kind, and one that sums up."""
    for kind in kinds(comparison, context):
        first = kind.first
        place = {"file": context.spec_file, "line": str(context.line(first)), "title": title(first, context.spec)}
        yield _command(_COMMANDS[first.severity], place, "\n".join(_told(kind, context)))
    yield _command("notice", {"title": "qqlab"}, "\n".join(summary(comparison)))


def _told(kind: Kind, context: Context) -> Iterator[str]:
    for finding in kind.findings[:_MOST]:
        said = outcome(finding)
        yield where(finding) + (f": {said}" if said else "")
    if len(kind.findings) > _MOST:
        yield f"and {len(kind.findings) - _MOST:,} more"
    if kind.cause is not None:
        yield f"explains {counted(kind.following, 'other finding')}: {visible(kind.cause.why, 200)}"
    if kind.why:
        yield f"why {kind.first.severity}: {visible(kind.why, 200)}"
    if kind.hint:
        yield kind.hint
    again = context.again(*kind.findings)
    if again is not None:
        yield visible(again)


def _command(name: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{key}={_property(visible(value))}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
