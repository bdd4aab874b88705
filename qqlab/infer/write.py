"""A draft as the text of a spec file: TOML with a comment for each reason.

Law: text only. What is written is a spec file that can be read back; whatever came out of traffic is quoted and made
visible, in comments too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from qqlab.infer.draft import Draft, DraftCommand, DraftField, Why
from qqlab.spec import DIRECTIONS, CodeTable
from qqlab.visible import visible

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 116


def toml(draft: Draft) -> str:
    """The text of the spec file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield from _comments(draft.remarks)
    yield ""
    yield from _pairs({"format": 1, "name": draft.name, "title": draft.title})
    yield from _rule("sources")
    for name, source in draft.sources.items():
        yield from _table(f"[sources.{key_text(name)}]", source)
    yield from _rule("versions")
    if not draft.versions:
        yield from ("", "[versions]")
    for name, (version, why) in draft.versions.items():
        yield from _table(f"[versions.{key_text(name)}]", version, why)
    yield from _rule("roles and wire")
    yield from _table("[roles]", draft.roles[0], draft.roles[1])
    yield from _table("[wire]", draft.wire[0], draft.wire[1])
    yield from _rule("fields of every message")
    for direction, fields in (("request", draft.request), ("reply", draft.reply)):
        yield from _fields(f"common.{direction}", fields)
    yield from _rule("codes")
    if not draft.codes:
        yield from ("", "[codes]")
    for name, (table, why) in draft.codes.items():
        yield from code_lines(name, table, why)
    yield from _rule("commands")
    if not draft.commands:
        yield from ("", "[commands]")
    for command in draft.commands:
        yield from command_lines(command)


def code_lines(name: str, table: CodeTable, why: Why = ()) -> Iterator[str]:
    """One table of codes, as it stands in a spec file."""
    yield from ("", *_comments(why), f"[codes.{key_text(name)}]", f"doc = {value_text(table.doc)}")
    for value in table.values:
        yield from _table(f"[[codes.{key_text(name)}.values]]", value)


def command_lines(command: DraftCommand) -> Iterator[str]:
    """One command, as it stands in a spec file."""
    path = f"commands.{key_text(command.name)}"
    yield from _table(f"[{path}]", command.command, command.why)
    if command.paging is not None:
        yield from _table(f"[{path}.paging]", command.paging[0], command.paging[1])
    for rows, why in command.rows:
        yield from _table(f"[[{path}.rows]]", rows, why)
    for direction in DIRECTIONS:
        yield from _fields(f"{path}.{direction}", command.fields(direction))


def _fields(path: str, fields: tuple[DraftField, ...]) -> Iterator[str]:
    for one in fields:
        yield from _table(f"[[{path}]]", one.field, one.why)


def _table(head: str, struct: msgspec.Struct, why: Why = ()) -> Iterator[str]:
    yield from ("", *_comments(why), head)
    yield from _pairs(plain(struct))


def plain(struct: msgspec.Struct) -> dict[str, Any]:
    """A table of a spec as TOML has it: no defaults, no nothing."""
    made: dict[str, Any] = msgspec.to_builtins(struct)
    return {name: value for name, value in made.items() if value is not None}


def _rule(title: str) -> Iterator[str]:
    yield from ("", f"# {'-' * (_WIDTH - 3 - len(title))} {title}")


def _comments(why: Why) -> Iterator[str]:
    return (f"# {visible(line)}" for line in why)


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key_text(name)} = {value_text(value)}" for name, value in table.items())


def key_text(name: str) -> str:
    """A name as it stands before the equals sign, or in the head of a table."""
    return name if _BARE.fullmatch(name) else _text(name)


def value_text(value: Any) -> str:
    """A value as it stands behind the equals sign."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value)
        case dict():
            return "{ " + ", ".join(_pairs(value)) + " }"
        case _:
            return "[" + ", ".join(map(value_text, value)) + "]"


def _text(text: str) -> str:
    """A basic string. What acts on a terminal is written by its number; lone surrogates, which TOML cannot hold, are
    made visible."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(one if visible(one) == one else _number(ord(one)) for one in json.dumps(clean, ensure_ascii=False))


def _number(character: int) -> str:
    return f"\\u{character:04x}" if character <= 0xFFFF else f"\\U{character:08x}"
