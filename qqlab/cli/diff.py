"""`qqlab diff`: two captures compared by meaning."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from qqlab import spec as specs
from qqlab.capture import Capture
from qqlab.cli.arguments import Force, SpecOption, read_capture, read_spec
from qqlab.cli.judging import RuleFiles, read_rules, this_day
from qqlab.cli.outputs import Equivalent, FailOn, JsonReport, Outputs, Reports, ShowSuppressed, end
from qqlab.diff import compare
from qqlab.errors import InputError
from qqlab.exchange import Exchange
from qqlab.findings import Context
from qqlab.visible import visible


def diff(
    expected: Annotated[Path, typer.Argument(metavar="A", help="The capture that says how it should be.")],
    actual: Annotated[Path, typer.Argument(metavar="B", help="The capture to hold against it.")],
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
) -> None:
    """Compare the replies of two captures, exchange by exchange, by what they mean.

    A file of --rules says what to ignore: a table [[ignore]] for each rule, with a reason and at least one of command,
    direction, field, rule (such as value or row.*) and account; expires = 2027-01-31 is its last day. What is ignored
    is counted, and listed with --show-suppressed. `qqlab replay --control 2 --save-rules FILE` writes such a file.

    Exit code 0: no differences; 1: differences; 3: nothing could be compared.

    Example: qqlab diff recorded.jsonl replayed.jsonl --report text=findings.txt
    """
    outputs = Outputs(report, json=json, force=force, beside=(expected, actual))
    known = read_spec(spec)
    today = this_day()
    ignoring = read_rules(rules, today)
    first, second = read_capture(expected), read_capture(actual)
    seen = outputs.witness(known)
    comparison = compare(*_chosen(first, second, only), known, rules=ignoring, today=today, witness=seen)
    context = Context(
        spec=known,
        spec_file=specs.BUILTIN if spec is None else str(spec),
        spec_text=specs.text(spec),
        expected=str(first.path),
        actual=str(second.path),
        time=datetime.now(UTC),
        command=("qqlab", "diff", str(expected), str(actual), *(() if spec is None else ("--spec", str(spec)))),
        cases=seen.cases,
        sides=seen.sides,
        fail_on=fail_on,
        equivalent=equivalent,
        suppressed=show_suppressed,
    )
    outputs.tell(comparison, context)
    end(comparison, f"{first.path}, {second.path}", context)


def _chosen(first: Capture, second: Capture, only: Collection[str] | None) -> tuple[list[Exchange], list[Exchange]]:
    """The exchanges to compare. Raises InputError for an id that neither capture has."""
    left, right = list(first.exchanges), list(second.exchanges)
    if only is None:
        return left, right
    known = {exchange.id for exchange in (*left, *right)}
    for identifier in only:
        if identifier not in known:
            where = f"{first.path}, {second.path}"
            raise InputError(where, f"no exchange {visible(identifier, 40)}", "see what they hold: qqlab show CAPTURE")
    return [one for one in left if one.id in only], [one for one in right if one.id in only]
