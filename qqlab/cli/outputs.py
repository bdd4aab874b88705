"""Where findings go: to the terminal, and to files in other formats; and which of them make a command fail.

Law: what cannot be written is known before the work begins, and one bad file keeps no other from being written. A file
that exists is replaced only if that is asked for, and then in one step.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from qqlab.capture.segments import present
from qqlab.cli.console import out, talk
from qqlab.codec import Severity
from qqlab.diff import Comparison
from qqlab.errors import ExitCode, InputError, QqlabError, UsageError
from qqlab.files import are_same, check_writable, refuse_existing, replacing
from qqlab.findings import FORMATS, Context, Format, Seen, Tone, lines
from qqlab.spec import Spec
from qqlab.visible import visible

Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT=FILE",
        help=f"Tell the findings in a file, too: {', '.join(FORMATS)}. FILE - is standard output. May be repeated.",
        show_default=False,
    ),
]
JsonReport = Annotated[bool, typer.Option("--json", help="Print the findings as JSON: short for --report json=-.")]
FailOn = Annotated[
    Severity,
    typer.Option("--fail-on", help="The mildest finding that makes the exit code 1."),
]
Equivalent = Annotated[
    bool, typer.Option("--equivalent", help="List what is written otherwise but means the same, too.")
]
ShowSuppressed = Annotated[bool, typer.Option("--show-suppressed", help="List what ignore rules suppressed, too.")]

_STYLES: dict[Tone, str] = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold cyan",
    "strong": "bold",
    "quiet": "dim",
    "plain": "",
}
_STDOUT = "-"


def refuse_sources(
    option: str, path: Path | None, captures: Sequence[Path], others: Sequence[Path | None] = ()
) -> None:
    """Raise UsageError where what an option writes would replace what the command reads, which none may, not even by
    force: its `captures` with their segments, and its `others`."""
    read = [*captures, *(segment for capture in captures for segment in present(capture)), *others]
    if path is not None and any(one is not None and _lead_to_one(path, one) for one in read):
        raise UsageError(option, f"{visible(str(path))} is a file of this command", "name another")


def _lead_to_one(path: Path, other: Path) -> bool:
    return str(other) != _STDOUT and (path.resolve() == other.resolve() or are_same(path, other))


class Wanted(NamedTuple):
    """One report: its format, and the file, None for standard output."""

    format: Format
    path: Path | None


class Outputs:
    """The reports that a command line asks for. What is asked for without a format is text on standard output."""

    def __init__(
        self, reports: Sequence[str] | None, *, json: bool, force: bool, beside: Sequence[Path | None] = ()
    ) -> None:
        """Check all of it. `beside` are the other files of the command, which no report may replace.

        Raises UsageError for what makes no sense, InputError for what could not be written.
        """
        self.wanted = [_wanted(report) for report in [*(reports or ()), *(["json=-"] if json else [])]]
        paths = [None if one.path is None else one.path.resolve() for one in self.wanted]
        taken = {path.resolve() for path in beside if path is not None and str(path) != _STDOUT}
        for index, (one, path) in enumerate(zip(self.wanted, paths, strict=True)):
            if path in paths[:index]:
                where = "standard output" if one.path is None else visible(str(one.path))
                raise UsageError("--report", f"two of them go to {where}", "name a file for one of them")
            if one.path is None:
                continue
            if path in taken:
                raise UsageError("--report", f"{visible(str(one.path))} is a file of this command", "name another")
            check_writable(one.path)
            if not force:
                refuse_existing(one.path)

    @property
    def has_files(self) -> bool:
        """Whether any report goes to a file."""
        return any(one.path is not None for one in self.wanted)

    def witness(self, spec: Spec) -> Seen:
        """What to give to `compare`, so that the reports can tell of the exchanges, too."""
        formats = [one.format for one in self.wanted]
        return Seen(spec, cases=any(one.cases for one in formats), sides=any(one.sides for one in formats))

    def tell(self, comparison: Comparison, context: Context, *, silent: bool = False) -> None:
        """Write all reports, and print what goes to standard output, where that is asked for or not to be `silent`.
        Raises the first InputError once all are done."""
        if not silent and all(one.path is not None for one in self.wanted):
            print_text(comparison, context)
        failed: list[QqlabError] = []
        for one in self.wanted:
            try:
                _write(one, comparison, context)
            except InputError as error:
                failed.append(error)
        if failed:
            raise failed[0]


def _wanted(report: str) -> Wanted:
    name, equals, file = report.partition("=")
    if not equals or not file:
        raise UsageError(f"--report {report}", "is no FORMAT=FILE", "for example --report html=differences.html")
    if name not in FORMATS:
        raise UsageError(f"--report {report}", f"unknown format {name}", f"known: {', '.join(FORMATS)}")
    return Wanted(FORMATS[name], None if file == _STDOUT else Path(file))


def _write(wanted: Wanted, comparison: Comparison, context: Context) -> None:
    pieces = wanted.format.render(comparison, context)
    if wanted.path is None:
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
        return
    with replacing(wanted.path, mode=0o644) as file:
        file.writelines(piece.encode() for piece in pieces)
    talk.say(f"qqlab: wrote {visible(str(wanted.path))}")


def print_text(comparison: Comparison, context: Context) -> None:
    """Print the findings and the summary, in colour on terminals."""
    console = out()
    for line in lines(comparison, context):
        text = Text.assemble(*((span.text, _STYLES[span.tone]) for span in line.spans))
        text.rstrip()
        console.print(text, soft_wrap=True)
    sys.stdout.flush()


def end(comparison: Comparison, where: str, context: Context) -> None:
    """Leave with the exit code that fits. Raises InputError where nothing was compared."""
    if comparison.compared == 0:
        reasons = "; ".join(comparison.skipped) or "there are no exchanges"
        raise InputError(where, f"nothing was compared: {reasons}", "see what they hold: qqlab show CAPTURE")
    if any(context.fails(finding) for finding in comparison.findings):
        raise typer.Exit(ExitCode.DIFFERENCES)
