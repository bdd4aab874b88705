"""`qqlab spec`: show the known spec, check one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from qqlab import spec as specs
from qqlab.cli.arguments import LangOption, SpecOption, read_spec
from qqlab.cli.console import out
from qqlab.errors import ExitCode, UsageError
from qqlab.spec import DIRECTIONS, CodeTable, Command, Field, Mistake, Spec
from qqlab.visible import visible

app = typer.Typer(help="Show the known spec, or check a spec file.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(
    command: Annotated[str | None, typer.Argument(metavar="[COMMAND]", help="Show this command in full.")] = None,
    spec: SpecOption = None,
    lang: LangOption = "en",
) -> None:
    """Print the spec readably: all commands, or one with its fields and codes.

    Example: qqlab spec show GetMsgEx
    """
    known = read_spec(spec, lang)
    if command is None:
        _print_overview(known)
        return
    found = known.command(command)
    if found is None:
        raise UsageError(visible(command), "is no command of the spec", f"one of {', '.join(known.commands)}")
    _print_command(known, found)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A spec file (TOML).")],
) -> None:
    """Accept a spec file (exit code 0), or name the path of each mistake in it (exit code 3).

    Its translations beside it (NAME.zh.toml for NAME.toml) are checked too, and what they leave out is named.

    Example: qqlab spec check my-protocol.toml
    """
    mistakes = specs.check(file)
    if not mistakes:
        known = specs.load(file)
        print(visible(f"{file}: a good spec of {known.title}, {len(known.commands)} commands"))
        mistakes = [mistake for translation in specs.translations(file) for mistake in _translated(file, translation)]
    else:
        _print_mistakes(file, mistakes)
    if mistakes:
        raise typer.Exit(ExitCode.UNREADABLE)


def _translated(file: Path, translation: Path) -> Sequence[Mistake]:
    """The mistakes of a translation, printed as what it leaves out."""
    mistakes, missing = specs.check_translation(file, translation)
    print(visible(f"{translation}: translates it" + (f", but for {', '.join(missing)}" if missing else "")))
    _print_mistakes(translation, mistakes)
    return mistakes


def _print_mistakes(file: Path, mistakes: Sequence[Mistake]) -> None:
    for mistake in mistakes:
        print(visible(f"{file}: {mistake}"))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=False)
    return table


def _print_overview(known: Spec) -> None:
    console = out()
    console.print(visible(known.title))
    table = _table("command", "effect", "versions", "what it does")
    for command in known.commands.values():
        table.add_row(command.name, command.effect, " ".join(command.versions), visible(command.doc))
    console.print(table)
    facts = _table("wire", "what is known", "sources")
    for fact in known.wire.facts:
        facts.add_row(fact.topic, visible(fact.doc), ", ".join(fact.source))
    console.print(facts)
    sources = _table("source", "what it is", "trust")
    for name, source in known.sources.items():
        sources.add_row(name + (" (primary)" if source.primary else ""), visible(source.title), visible(source.trust))
    console.print(sources)


def _print_command(known: Spec, command: Command) -> None:
    console = out()
    console.print(f"{command.name}: {visible(command.doc)}")
    console.print(f"effect {command.effect}; versions {', '.join(command.versions)}; by {', '.join(command.source)}")
    if command.paging is not None:
        console.print(f"pages: {visible(command.paging.doc)}")
    for direction in DIRECTIONS:
        table = _table(direction, "type", "", "what it is", "sources")
        for field in command.fields(direction):
            table.add_row(field.name, _type(field), _flags(field), visible(field.doc), ", ".join(field.source))
        console.print(table)
    for rows in command.rows:
        key = f", key {rows.key}" if rows.key else ""
        count = f", counted by {rows.count}" if rows.count else ""
        console.print(f"rows of {', '.join(rows.columns)}{key}{count}: {visible(rows.doc)}")
    for name in dict.fromkeys(name for direction in DIRECTIONS for name in _tables(command.fields(direction))):
        console.print(_code_table(name, known.codes[name]))


def _type(field: Field) -> str:
    return ("list of " if field.list else "") + field.type + (f" ({field.codes})" if field.codes else "")


def _flags(field: Field) -> str:
    when = " and ".join(f"{name}={'/'.join(map(str, values))}" for name, values in field.when.items())
    flags = (
        f"required if {when}" if field.required and when else "required" if field.required else "",
        "echo" if field.echo else "",
        "secret" if field.secret else "",
        "personal" if field.personal else "",
        f"only {', '.join(field.versions)}" if field.versions else "",
    )
    return ", ".join(flag for flag in flags if flag)


def _tables(fields: tuple[Field, ...]) -> list[str]:
    own = [field.codes for field in fields if field.codes]
    return own + [case.codes for field in fields for case in field.cases if case.codes]


def _code_table(name: str, codes: CodeTable) -> Table:
    table = _table(name, "meaning, by whom")
    for value in codes.values:
        readings = Text("\n").join(
            Text(f"{visible(reading.meaning)}  [{', '.join(reading.source)}]")
            + Text(f"  contradicts {reading.contradicts}" if reading.contradicts is not None else "")
            for reading in value.readings
        )
        table.add_row(str(value.value), readings)
    table.caption = visible(codes.doc)
    table.caption_justify = "left"
    return table
