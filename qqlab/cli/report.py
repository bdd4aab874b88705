"""`qqlab report`: what captures show, held against the spec, as files for people and programs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from qqlab import report as reports
from qqlab.capture.chunks import Pieces, cut
from qqlab.cli.arguments import CaptureFiles, Force, LangOption, SpecOption
from qqlab.cli.console import talk
from qqlab.cli.engines import Cluster, Processes, gauge
from qqlab.engine import Engine, opened, processors
from qqlab.errors import UsageError
from qqlab.report import Report, SpecText, Surveyed
from qqlab.visible import visible

# In bytes.
_SMALL = 4 << 20
_SMALLEST, _LARGEST = 1 << 20, 64 << 20
# For each processor.
_CHUNKS = 8


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
    workers: Processes = None,
    cluster: Cluster = None,
) -> None:
    """Document every command, field and code of captures against the spec: index.html, report.md, report.json.

    Captures may be of any size: they are read in chunks, by several processes or a cluster, into the same report.

    \b
    Examples:
      qqlab report captures/forum-2005.jsonl -o reports/forum-2005
      qqlab report monday.jsonl tuesday.jsonl --json | jq '.findings'
      qqlab report tuesday.jsonl --against monday.jsonl --json | jq '.changes'
      qqlab report /shared/farm.jsonl -o farm --cluster tcp://scheduler:8786
    """
    if output is None and not json:
        raise UsageError("report", "there is nowhere to write to", "give -o DIR, or --json")
    if templates is not None and not templates.is_dir():
        raise UsageError(visible(str(templates)), "is no directory", "name one with templates in it")
    if output is not None:
        reports.check_free(output, force=force)
    text = SpecText.of(spec, lang)
    text.read()
    with cut(captures, _size) as pieces, opened(_workers(workers, cluster, pieces), cluster) as engine:
        surveyed = _surveyed(pieces, text, engine)
        for capture in surveyed.about:
            if capture.torn is not None:
                talk.say(f"qqlab: {visible(capture.torn)}")
        older = reports.read_older(against, lang, _reported(text, engine)) if against else None
        built = reports.report_of(surveyed, against=older)
        explored = None if output is None else reports.exploration_of(surveyed, built, engine)
    if output is not None:
        for path in reports.write_report(output, built, explored, templates=templates, force=force):
            if json:
                talk.say(f"qqlab: wrote {visible(str(path))}")
            else:
                typer.echo(visible(str(path)))
    if json:
        typer.echo(reports.to_json(built), nl=False)


def _size(total: int) -> int:
    """How large chunks are: so many that processes end at about the same time, and few enough to be put together
    quickly."""
    return min(_LARGEST, max(_SMALLEST, total // (_CHUNKS * processors())))


def _workers(wanted: int | None, cluster: str | None, pieces: Sequence[Pieces]) -> int:
    """How many processes read: what is small is read before another one has begun."""
    if wanted is not None:
        return wanted
    small = cluster is None and sum(one.size for one in pieces) < _SMALL
    return 1 if small else processors()


def _surveyed(pieces: Sequence[Pieces], text: SpecText, engine: Engine) -> Surveyed:
    """Look at captures, and show how far that is."""
    with gauge(sum(one.size for one in pieces)) as told:
        return reports.survey(pieces, text, engine, lambda looked: told(looked.chunk.size, looked.exchanges))


def _reported(text: SpecText, engine: Engine) -> Callable[[Sequence[Path]], Report]:
    """How older captures become a report."""

    def reported(paths: Sequence[Path]) -> Report:
        with cut(paths, _size) as pieces:
            return reports.report_of(_surveyed(pieces, text, engine))

    return reported
