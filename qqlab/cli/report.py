"""`qqlab report`: what captures show, held against the spec, as files for people and programs."""

from pathlib import Path
from typing import Annotated

import typer

from qqlab import report as reports
from qqlab.cli.arguments import CaptureFiles, Force, LangOption, SpecOption, read_captures, read_spec
from qqlab.cli.console import talk
from qqlab.errors import UsageError
from qqlab.visible import visible


def report(
    captures: CaptureFiles,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="The directory to write.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, too.")] = False,
    force: Force = False,
    spec: SpecOption = None,
    lang: LangOption = "en",
    templates: Annotated[
        Path | None,
        typer.Option(
            "--templates",
            metavar="DIR",
            help="Files here stand in for the templates of the same name (qqlab/report/templates).",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="OLD",
            help="Tell what changed since OLD: captures (repeat it), a report.json, or a spec file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Document every command, field and code of captures against the spec: index.html, report.md, report.json.

    \b
    Examples:
      qqlab report captures/forum-2005.jsonl -o reports/forum-2005
      qqlab report monday.jsonl tuesday.jsonl --json | jq '.findings'
      qqlab report tuesday.jsonl --against monday.jsonl --json | jq '.changes'
    """
    if output is None and not json:
        raise UsageError("report", "there is nowhere to write to", "give -o DIR, or --json")
    if templates is not None and not templates.is_dir():
        raise UsageError(visible(str(templates)), "is no directory", "name one with templates in it")
    read, known = read_captures(captures), read_spec(spec, lang)
    older = reports.read_older(against, lang) if against else None
    built = reports.build(read, known, lang, against=older)
    if output is not None:
        explored = reports.explore(read, built, known)
        for path in reports.write_report(output, built, explored, templates=templates, force=force):
            if json:
                talk.say(f"qqlab: wrote {visible(str(path))}")
            else:
                typer.echo(visible(str(path)))
    if json:
        typer.echo(reports.to_json(built), nl=False)
