"""`qqlab diff`: two captures compared by meaning."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from qqlab.cli.arguments import Json, SpecOption, read_capture, read_spec
from qqlab.cli.console import out, print_json
from qqlab.diff import Comparison, compare, document, lines
from qqlab.errors import ExitCode, InputError

Equivalent = Annotated[
    bool, typer.Option("--equivalent", help="List what is written otherwise but means the same, too.")
]

_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}


def diff(
    expected: Annotated[Path, typer.Argument(metavar="A", help="The capture that says how it should be.")],
    actual: Annotated[Path, typer.Argument(metavar="B", help="The capture to hold against it.")],
    equivalent: Equivalent = False,
    json: Json = False,
    spec: SpecOption = None,
) -> None:
    """Compare the replies of two captures, exchange by exchange, by what they mean.

    Exit code 0: no differences; 1: differences; 3: nothing could be compared.

    Example: qqlab diff recorded.jsonl replayed.jsonl
    """
    known = read_spec(spec)
    first, second = read_capture(expected), read_capture(actual)
    comparison = compare(first.exchanges, second.exchanges, known)
    print_comparison(comparison, equivalent=equivalent, json=json)
    end(comparison, f"{first.path}, {second.path}")


def print_comparison(comparison: Comparison, *, equivalent: bool, json: bool) -> None:
    """Print the findings and the summary, in colour on terminals."""
    if json:
        print_json(document(comparison, equivalent=equivalent))
        return
    console = out()
    for line in lines(comparison, equivalent=equivalent):
        style = _STYLES[line.severity] if line.severity is not None else ""
        console.print(Text(line.text, style), soft_wrap=True)
    sys.stdout.flush()


def end(comparison: Comparison, where: str) -> None:
    """Leave with the exit code that fits. Raises InputError where nothing was compared."""
    if comparison.compared == 0:
        reasons = "; ".join(comparison.skipped) or "there are no exchanges"
        raise InputError(where, f"nothing was compared: {reasons}", "see what they hold: qqlab show CAPTURE")
    if comparison.different:
        raise typer.Exit(ExitCode.DIFFERENCES)
