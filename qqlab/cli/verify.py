"""`qqlab verify`: whether recordings are whole, in order and without secrets; and good copies of those that are not."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from qqlab import verify as verification
from qqlab.capture.places import place
from qqlab.cli.arguments import Force, Json, SpecOption, read_spec, refuse_stdout
from qqlab.cli.console import counted, print_json, talk
from qqlab.errors import ExitCode, UsageError
from qqlab.spec import Spec
from qqlab.testserver import accounts
from qqlab.verify import RULES, Examination, Problems
from qqlab.visible import visible

FORMAT = 1


def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", parser=place, help="Captures; with --secrets-from any files and directories."
        ),
    ],
    repair: Annotated[bool, typer.Option("--repair", help="Write what is good into a new capture.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="CAPTURE", help="The capture that --repair writes.")
    ] = None,
    secrets_from: Annotated[
        Path | None,
        typer.Option("--secrets-from", metavar="FILE", help="Prove that no secret of these accounts is in the files."),
    ] = None,
    force: Force = False,
    json: Json = False,
    spec: SpecOption = None,
) -> None:
    """Prove that captures are whole, in order and without secrets; repair those that are not.

    Each line must hold an exchange, ids must be unique and without gaps, times must not go backwards, segments and
    their compression must be complete, splitting and joining a body must give that body, and a redacted capture must
    not hold the hash of a common password. --repair writes all that is good into one capture and says what was dropped.

    --secrets-from looks into any files, reports too, for the passwords of an accounts file and what derives from them:
    as they are, escaped, in hex or base64, in either case, also where the file is compressed with zstd.

    Exit code 0: all is well; 1: something is wrong; 3: a file cannot be read at all.

    \b
    Examples:
      qqlab verify mine.jsonl
      qqlab verify damaged.jsonl --repair -o good.jsonl
      qqlab verify --secrets-from qqlab/testserver/accounts.toml mine.jsonl my-report
    """
    known = read_spec(spec)
    if repair != (output is not None):
        raise UsageError("verify", "--repair and -o CAPTURE go together", "give both, or neither")
    if output is not None:
        refuse_stdout(output)
    if secrets_from is not None:
        if repair:
            raise UsageError("verify", "--repair cannot take out secrets", "qqlab redact does")
        _search(files, secrets_from, known, json)
    else:
        _examine(files, output, known, force=force, json=json)


def _examine(files: list[Path], output: Path | None, known: Spec, *, force: bool, json: bool) -> None:
    found = [Problems() for _ in files]
    if output is None:
        examinations: Sequence[Examination] = [
            verification.examine(path, known, problems) for path, problems in zip(files, found, strict=True)
        ]
    else:
        repaired, examinations = verification.repair(files, output, known, found, force=force)
        renamed = f", {repaired.renamed} of them with another id" if repaired.renamed else ""
        talk.say(f"qqlab: {counted(repaired.exchanges, 'exchange')} in {visible(str(output))}{renamed}")
    if json:
        print_json({"qqlab_verify": FORMAT, "files": [_as_json(one) for one in examinations]})
    else:
        for one in examinations:
            what = counted(one.exchanges, "exchange") + (f" in {one.segments} segments" if one.segments > 1 else "")
            _print(one.path, what, one.problems)
    _end(found)


def _as_json(one: Examination) -> dict[str, object]:
    return {"file": one.path, "exchanges": one.exchanges, "segments": one.segments, **_problems_as_json(one.problems)}


def _problems_as_json(problems: Problems) -> dict[str, object]:
    return {"passed": not problems.number("error"), "counts": dict(problems.counts), "problems": problems.kept}


def _search(files: list[Path], secrets_from: Path, known: Spec, json: bool) -> None:
    secrets = verification.Secrets(accounts.load(secrets_from, known), known)
    problems = Problems()
    searched = verification.search(files, secrets, problems, secrets_from)
    if json:
        print_json({"qqlab_verify": FORMAT, "searched": searched, **_problems_as_json(problems)})
    else:
        _print(str(secrets_from), f"looked for its secrets in {counted(searched, 'file')}", problems)
    _end([problems])


def _print(path: str, what: str, problems: Problems) -> None:
    for problem in problems.kept:
        typer.echo(visible(f"{problem.where}: {problem.severity} {problem.rule}: {problem.text}"))
    for rule, count in problems.counts.items():
        if count > problems.MOST:
            typer.echo(f"{count - problems.MOST} more of {rule}: {RULES[rule][1]}")
    numbers = [counted(number, word) for word in ("error", "warning") if (number := problems.number(word))]
    typer.echo(visible(f"{path}: {what}: {', '.join(numbers) or 'all is well'}"))
    sys.stdout.flush()


def _end(found: list[Problems]) -> None:
    if any(problems.number("error") for problems in found):
        raise typer.Exit(ExitCode.DIFFERENCES)
