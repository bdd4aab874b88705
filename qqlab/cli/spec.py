"""`qqlab spec`: show the known spec, check one's own, learn one from traffic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from qqlab import spec as specs
from qqlab.cli import spec_export, spec_infer, spec_update
from qqlab.cli.arguments import LangOption, SpecOption, read_spec
from qqlab.cli.console import out
from qqlab.errors import ExitCode, UsageError
from qqlab.report.say import Say
from qqlab.spec import DIRECTIONS, CodeTable, Command, Field, Mistake, Rows, Spec
from qqlab.visible import visible

app = typer.Typer(
    help="Show the known spec, check a spec file, or export it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("export")(spec_export.export)
app.command("infer")(spec_infer.infer)
app.command("update")(spec_update.update)


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
    say = Say(lang)
    if command is None:
        _print_overview(known, say)
        return
    found = known.command(command)
    if found is None:
        raise UsageError(visible(command), "is no command of the spec", f"one of {', '.join(known.commands)}")
    _print_command(known, found, say)


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


def _print_overview(known: Spec, say: Say) -> None:
    console = out()
    console.print(visible(known.title))
    table = _table(say("command"), say("effect"), say("versions"), say("what it does"))
    for command in known.commands.values():
        table.add_row(command.name, command.effect, " ".join(command.versions), visible(command.doc))
    console.print(table)
    facts = _table(say("wire"), say("what is known"), say("sources"))
    for fact in known.wire.facts:
        facts.add_row(visible(fact.topic), visible(fact.doc), ", ".join(fact.source))
    console.print(facts)
    sources = _table(say("source"), say("what it is"), say("trust"))
    for name, source in known.sources.items():
        title = say("{source} (primary)", source=name) if source.primary else name
        sources.add_row(title, visible(source.title), visible(source.trust))
    console.print(sources)


def _print_command(known: Spec, command: Command, say: Say) -> None:
    console = out()
    console.print(say("{name}: {what}", name=command.name, what=visible(command.doc)))
    versions, sources = ", ".join(command.versions), ", ".join(command.source)
    told = say(
        "effect {effect}; versions {versions}; by {sources}", effect=command.effect, versions=versions, sources=sources
    )
    console.print(told)
    if command.paging is not None:
        console.print(say("{name}: {what}", name=say("pages"), what=visible(command.paging.doc)))
    for direction in DIRECTIONS:
        name = say("request") if direction == "request" else say("reply")
        table = _table(name, say("type"), "", say("what it is"), say("sources"))
        for field in command.fields(direction):
            table.add_row(
                field.name, _type(field, say), _flags(field, say), visible(field.doc), ", ".join(field.source)
            )
        console.print(table)
    for rows in command.rows:
        console.print(say("{name}: {what}", name=_rows(rows, say), what=visible(rows.doc)))
    for name in dict.fromkeys(name for direction in DIRECTIONS for name in _tables(command.fields(direction))):
        console.print(_code_table(name, known.codes[name], say))


def _rows(rows: Rows, say: Say) -> str:
    told = say("rows of {columns}", columns=", ".join(rows.columns))
    if rows.key is not None:
        told += say(", key {field}", field=rows.key)
    return told + (say(", counted by {field}", field=rows.count) if rows.count is not None else "")


def _type(field: Field, say: Say) -> str:
    told = say("list of {type}", type=field.type) if field.list else str(field.type)
    return told + (f" ({field.codes})" if field.codes else "")


def _flags(field: Field, say: Say) -> str:
    when = say.translated(" and ").join(f"{name}={'/'.join(map(str, values))}" for name, values in field.when.items())
    flags = (
        say("required if {condition}", condition=when) if field.required and when else "",
        say("required") if field.required and not when else "",
        say("echo") if field.echo else "",
        say("secret") if field.secret else "",
        say("personal") if field.personal else "",
        say("only {versions}", versions=", ".join(field.versions)) if field.versions else "",
    )
    return say.several(flag for flag in flags if flag)


def _tables(fields: tuple[Field, ...]) -> list[str]:
    own = [field.codes for field in fields if field.codes]
    return own + [case.codes for field in fields for case in field.cases if case.codes]


def _code_table(name: str, codes: CodeTable, say: Say) -> Table:
    table = _table(name, say("meaning, by whom"))
    for value in codes.values:
        readings = Text("\n").join(
            Text(f"{visible(reading.meaning)}  [{', '.join(reading.source)}]")
            + Text(
                f"  {say('contradicts {value}', value=reading.contradicts)}" if reading.contradicts is not None else ""
            )
            for reading in value.readings
        )
        table.add_row(str(value.value), readings)
    table.caption = visible(codes.doc)
    table.caption_justify = "left"
    return table
