"""`qqlab diff`: two captures compared by meaning."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.capture import open_capture
from qqlab.capture.places import place
from qqlab.cli.arguments import Force, SpecOption, read_spec
from qqlab.cli.comparing import compared
from qqlab.cli.console import talk
from qqlab.cli.engines import Cluster
from qqlab.cli.judging import RuleFiles, read_rules, this_day
from qqlab.cli.outputs import Equivalent, FailOn, JsonReport, Outputs, Reports, ShowSuppressed, end
from qqlab.errors import InputError, UsageError
from qqlab.findings import Context
from qqlab.findings.apart import Asked, together
from qqlab.visible import visible


def diff(
    expected: Annotated[
        Path, typer.Argument(metavar="A", parser=place, help="The capture that says how it should be.")
    ],
    actual: Annotated[Path, typer.Argument(metavar="B", parser=place, help="The capture to hold against it.")],
    report: Reports = None,
    json: JsonReport = False,
    fail_on: FailOn = "warning",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ID", help="Compare this exchange alone. May be repeated.", show_default=False),
    ] = None,
    equivalent: Equivalent = False,
    rules: RuleFiles = None,
    show_suppressed: ShowSuppressed = False,
    force: Force = False,
    spec: SpecOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            max=256,
            help="Compare in so many processes: for captures of hundreds of megabytes and more.",
            show_default="1",
        ),
    ] = None,
    cluster: Cluster = None,
) -> None:
    """Compare the replies of two captures, exchange by exchange, by what they mean.

    A file of --rules says what to ignore: a table [[ignore]] for each rule, with a reason and at least one of command,
    direction, field, rule (such as value or row.*) and account; expires = 2027-01-31 is its last day. What is ignored
    is counted, and listed with --show-suppressed. `qqlab replay --control 2 --save-rules FILE` writes such a file; by
    hand it is:

    \b
      qqlab_rules = 1
      [[ignore]]
      command = "GetInfo"
      field = "NK"
      reason = "nicknames are made up anew"

    Exit code 0: no differences; 1: differences; 3: nothing could be compared.

    With --workers or --cluster the result is the same. Uncompressed captures in about the same order gain most: they
    are compared stretch by stretch. Of others each worker reads all, and compares its share.

    Example: qqlab diff recorded.jsonl replayed.jsonl --report text=findings.txt

    Example: qqlab diff /shared/monday.jsonl /shared/tuesday.jsonl --cluster tcp://scheduler:8786
    """
    outputs = Outputs(report, json=json, force=force, beside=(expected, actual))
    if str(expected) == str(actual) == "-":
        raise UsageError("- -", "standard input is one capture, not two", "name a file for one of them")
    if "-" in (str(expected), str(actual)) and (cluster is not None or (workers or 1) > 1):
        what = "can be read by one process alone"
        raise UsageError("standard input", what, "name a file, or leave out --workers and --cluster")
    known = read_spec(spec)
    today = this_day()
    ignoring = read_rules(rules, today, known)
    seen = outputs.witness(known)
    sides = open_capture(expected), open_capture(actual)
    asked = Asked(
        str(expected),
        str(actual),
        frozenset(only) if only else None,
        None if spec is None else str(spec),
        seen.wants,
    )
    tally, missing, had = together(compared(sides, asked, workers, cluster), seen)
    comparison = tally.comparison(known, ignoring, today)
    where = f"{sides[0].path}, {sides[1].path}"
    for lines in missing:
        if lines:
            talk.say(f"qqlab: {visible('; '.join(lines))}")
    for identifier in only or ():
        if identifier not in had:
            raise InputError(where, f"no exchange {visible(identifier, 40)}", "see what they hold: qqlab show CAPTURE")
    context = Context(
        spec=known,
        spec_file=specs.BUILTIN if spec is None else str(spec),
        spec_text=specs.text(spec),
        expected=sides[0].path,
        actual=sides[1].path,
        time=datetime.now(UTC),
        command=_command(expected, actual, rules, spec),
        cases=seen.cases,
        sides=seen.sides,
        fail_on=fail_on,
        equivalent=equivalent,
        suppressed=show_suppressed,
    )
    outputs.tell(comparison, context)
    end(comparison, where, context)


def _command(expected: Path, actual: Path, rules: Sequence[Path] | None, spec: Path | None) -> tuple[str, ...]:
    """The command line that compares the same again; none for what came through a pipe."""
    if "-" in (str(expected), str(actual)):
        return ()
    ignoring = [part for path in rules or () for part in ("--rules", str(path))]
    return ("qqlab", "diff", str(expected), str(actual), *ignoring, *(() if spec is None else ("--spec", str(spec))))
