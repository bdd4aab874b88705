"""The protocol as a page of Markdown: sources, versions, the wire, commands with their fields, codes.

Law: the one place where this package lays out Markdown that is no report; the reference in `docs/` is made with it as
well. Text of a spec goes through `markdown_safe`, so that it shows and does nothing else; a cell is one line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from qqlab.publish import sample
from qqlab.spec import DIRECTIONS, CodeTable, Command, Direction, Field, Spec
from qqlab.visible import markdown_safe, visible

_PLAIN = re.compile(r"[A-Za-z0-9]+")
_FENCE = re.compile("`{3,}")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cells) + " |" if cells is not lines[1] else "|" + "---|" * len(columns) for cells in lines
    )


def fenced(text: str) -> str:
    """A block of code, its fence longer than any in the text."""
    fence = "`" * max(3, *(len(match) + 1 for match in _FENCE.findall(text)), 3)
    return f"{fence}\n{text}\n{fence}"


def protocol(spec: Spec) -> str:
    """The page."""
    return "\n\n".join(_parts(spec)) + "\n"


def _parts(spec: Spec) -> Iterator[str]:
    safe = markdown_safe
    yield f"# {safe(spec.title)}"
    yield (
        "What is known of the protocol, each fact with who says so. [primary] marks the source that wins where "
        "nothing else decides; where sources disagree, each reading stands under its own."
    )
    yield "## Sources\n\n" + table(
        ("source", "what it is", "trust"),
        (
            (safe(name) + (" [primary]" if one.primary else ""), safe(one.title), safe(one.trust))
            for name, one in spec.sources.items()
        ),
    )
    yield "## Versions\n\n" + table(
        ("version", "what it is", "sources"),
        ((safe(name), safe(one.doc), _sources(one.source)) for name, one in spec.versions.items()),
    )
    yield "## On the wire\n\n" + table(
        ("about", "what is known", "sources"),
        ((safe(fact.topic), safe(fact.doc), _sources(fact.source)) for fact in spec.wire.facts),
    )
    yield "## Every message"
    for direction in DIRECTIONS:
        yield from _fields(spec, direction, getattr(spec.common, direction))
    for command in spec.commands.values():
        yield from _command(spec, command)
    yield "# Codes"
    for name, codes in spec.codes.items():
        yield f"## Code {safe(name)}\n\n{safe(codes.doc)}\n\n{_codes(codes)}"


def _sources(names: Iterable[str]) -> str:
    return markdown_safe(", ".join(names))


def _command(spec: Spec, command: Command) -> Iterator[str]:
    safe = markdown_safe
    yield f"## {safe(command.name)}\n\n{safe(command.doc)}"
    reply = f"; the reply calls it {safe(command.reply_name)}" if command.reply_name not in (None, command.name) else ""
    yield (
        f"Effect: {command.effect}; versions: {safe(', '.join(command.versions))}; "
        f"sources: {_sources(command.source)}{reply}."
    )
    if command.paging is not None:
        paging = command.paging
        yield f"Pages by {safe(paging.limit)}, {safe(paging.cursor)} and {safe(paging.complete)}: {safe(paging.doc)}"
    for direction in DIRECTIONS:
        common = getattr(spec.common, direction)
        own = tuple(field for field in command.fields(direction) if field not in common)
        yield from _fields(spec, direction, own)
        if direction == "reply" or command.effect != "push":
            yield fenced(visible(sample.body(spec, command, direction)))
    for rows in command.rows:
        key = f", known by {safe(rows.key)}" if rows.key else ""
        count = f", counted by {safe(rows.count)}" if rows.count else ""
        order = ", in an order that means something" if rows.ordered else ""
        yield f"Rows of {safe(', '.join(rows.columns))}{key}{count}{order}: {safe(rows.doc)}"


def _fields(spec: Spec, direction: Direction, fields: tuple[Field, ...]) -> Iterator[str]:
    if not fields:
        yield f"### {direction.capitalize()}\n\nNo fields of its own."
        return
    yield f"### {direction.capitalize()}\n\n" + table(
        ("field", "type", "", "what it is", "sources"),
        (
            (markdown_safe(field.name), _type(field), _flags(field), _meaning(field), _sources(field.source))
            for field in fields
        ),
    )


def _type(field: Field) -> str:
    codes = f" ({_linked(field.codes)})" if field.codes else ""
    constants = f", {' or '.join(map(markdown_safe, field.constants))}" if field.constants else ""
    return ("list of " if field.list else "") + field.type + codes + constants


def _linked(codes: str) -> str:
    """The name of a code table, with a link to it where the name makes a plain one."""
    shown = markdown_safe(codes)
    return f"[{shown}](#code-{codes.lower()})" if _PLAIN.fullmatch(codes) else shown


def _flags(field: Field) -> str:
    when = " and ".join(f"{name}={'/'.join(map(str, values))}" for name, values in field.when.items())
    flags = (
        (f"required if {when}" if when else "required") if field.required else "",
        "repeats the request's" if field.echo else "",
        "secret" if field.secret else "",
        "personal" if field.personal else "",
        f"only {', '.join(field.versions)}" if field.versions else "",
    )
    return markdown_safe(", ".join(flag for flag in flags if flag))


def _meaning(field: Field) -> str:
    cases = (
        f" Where {case.field} is {'/'.join(map(str, case.values))}: {case.doc}"
        + (f" ({case.codes})" if case.codes else "")
        for case in field.cases
    )
    return markdown_safe(field.doc + "".join(cases))


def _codes(codes: CodeTable) -> str:
    rows = (
        (str(code.value), markdown_safe(reading.meaning + _contradicted(reading.contradicts)), _sources(reading.source))
        for code in codes.values
        for reading in code.readings
    )
    return table(("value", "meaning", "sources"), rows)


def _contradicted(value: int | None) -> str:
    return "" if value is None else f" (cannot be, if {value} means what it says)"
