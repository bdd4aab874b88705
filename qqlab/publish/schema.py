"""JSON Schema (2020-12) of the lines of a capture: the header, an exchange, and what `decoded` says by this spec.

Law: it accepts every line that this version of qqlab writes of traffic whose command is written plainly, however odd
the rest; so a value that is not of its documented type may be text. What is documented stands beside as titles and
descriptions. Shapes come from the very types that write the file.
"""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from qqlab.capture.file import FORMAT, Header, WrittenLine
from qqlab.exchange import Exchange
from qqlab.publish.names import any_case, distinct
from qqlab.spec import DIRECTIONS, CodeTable, Command, Direction, Field, Spec
from qqlab.visible import json_safe

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What the types that write the file are called here.
_NAMES = {
    "Header": "header",
    "WrittenLine": "exchange",
    "_Raw": "message",
    "Cut": "cut",
    "Record": "decoded",
    "Note": "note",
}
_NULL: Schema = {"type": "null", "title": "empty, or without ="}
_AS_TEXT: Schema = {"type": "string", "title": "not of its documented type: kept as text, with a note"}


def capture_schema(spec: Spec) -> str:
    """The schema as JSON text: each line of a capture is valid against it."""
    return pretty(
        {
            "$schema": _DIALECT,
            "$id": f"urn:qqlab:capture:{FORMAT}:{distinct([spec.name])[spec.name]}",
            "title": f"A line of a qqlab capture, format {FORMAT}: {spec.title}",
            "oneOf": [{"$ref": "#/$defs/header"}, {"$ref": "#/$defs/exchange"}],
            "$defs": _definitions(spec),
        }
    )


def pretty(document: Schema) -> str:
    """JSON text for people, with nothing in it that acts on a terminal."""
    return json_safe(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def _definitions(spec: Spec) -> Schema:
    _, made = msgspec.json.schema_components([Header, WrittenLine], ref_template="{name}")
    definitions: Schema = {_NAMES[name]: _renamed(kind) for name, kind in made.items()}
    definitions["header"]["properties"]["qqlab_capture"] = {"const": FORMAT}
    definitions["exchange"] |= {"description": inspect.getdoc(Exchange)}
    definitions["message"]["allOf"] = [_either("head"), _either("body")]
    definitions["decoded"]["allOf"] = list(_by_command(spec))
    definitions["decoded"]["properties"]["rows"]["properties"] = _rows(spec)
    return definitions | dict(_messages(spec))


def _renamed(value: Any) -> Any:
    """A piece of a schema whose parts are called as in `_NAMES`."""
    if isinstance(value, dict):
        named = {key: _renamed(item) for key, item in value.items()}
        for key, begin in (("$ref", "#/$defs/"), ("title", "")):
            if named.get(key) in _NAMES:
                named[key] = begin + _NAMES[named[key]]
        return named
    return [_renamed(item) for item in value] if isinstance(value, list) else value


def _either(name: str) -> Schema:
    """As text or in base64, and not both."""
    return {"oneOf": [{"required": [key], "properties": {key: {"type": "string"}}} for key in (name, f"{name}_base64")]}


def _by_command(spec: Spec) -> Iterator[Schema]:
    """Which fields a message has hangs on its command: the request's on what the exchange is, the reply's on what it
    says itself."""
    names = distinct(spec.commands)
    role = spec.roles.command
    for name in spec.commands:
        yield {
            "if": {"properties": {"command": {"const": name}}},
            "then": {"properties": {"request": _or_null(f"commands.{names[name]}.request")}},
        }
        says = {"type": "object", "properties": {role: {"type": "string", "pattern": any_case(name)}}}
        yield {
            "if": {"properties": {"reply": says | {"required": [role]}}},
            "then": {"properties": {"reply": _or_null(f"commands.{names[name]}.reply")}},
        }


def _or_null(name: str) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


def _messages(spec: Spec) -> Iterator[tuple[str, Schema]]:
    names = distinct(spec.commands)
    for name, command in spec.commands.items():
        for direction in DIRECTIONS:
            yield f"commands.{names[name]}.{direction}", _message(spec, command, direction)


def _message(spec: Spec, command: Command, direction: Direction) -> Schema:
    return {
        "type": "object",
        "title": f"{command.name}: the {direction}",
        "description": command.doc,
        "properties": {field.name: _field(spec, field) for field in command.fields(direction)},
    }


def _field(spec: Spec, field: Field) -> Schema:
    about = {"description": field.doc}
    scalar = _scalar(spec, field)
    if not field.list:
        return about | {"anyOf": scalar}
    return about | {"anyOf": [{"type": "array", "items": {"anyOf": scalar}}, _NULL]}


def _scalar(spec: Spec, field: Field) -> list[Schema]:
    if field.type not in ("int", "code"):
        return [{"type": "string"}, _NULL]
    known = [] if field.codes is None else code_values(spec.codes[field.codes])
    return [*known, {"type": "integer"}, _AS_TEXT, _NULL]


def code_values(table: CodeTable) -> list[Schema]:
    """The documented values of a code, each with what its sources take it to mean."""
    return [
        {
            "const": code.value,
            "title": " / ".join(reading.meaning for reading in code.readings),
            "description": "; ".join(f"{one.meaning}, by {', '.join(one.source)}" for one in code.readings),
        }
        for code in table.values
    ]


def _rows(spec: Spec) -> Schema:
    """What the tables of all commands by one name have in common: their columns."""
    found: dict[str, Schema] = {}
    for command in spec.commands.values():
        for rows in command.rows:
            columns: Schema = {name: {"type": ["string", "integer", "null"]} for name in rows.columns}
            known = found.setdefault(rows.name, {"type": "array", "description": "", "items": {"properties": {}}})
            known["description"] = f"{known['description']} {command.name}: {rows.doc}".strip()
            known["items"]["properties"] |= columns
    return found
