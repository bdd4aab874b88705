"""OpenAPI 3.1 of a server: one POST operation whose command stands in the body.

Law: nothing is said that the spec does not say. What OpenAPI has no words for stands under `x-qqlab-…`: how pairs and
lists are escaped, which lists make rows, how pages are asked for, what is pushed over bare lines, who says what. Names
of commands compare without case, so each schema holds its command by a pattern.
"""

from typing import Any

import qqlab
from qqlab.codec import Value
from qqlab.publish import sample
from qqlab.publish.names import any_case, distinct
from qqlab.publish.schema import Schema, code_values, pretty
from qqlab.spec import DIRECTIONS, CodeTable, Command, Direction, Field, Rows, Spec
from qqlab.visible import markdown_safe, visible

_TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "code": {"type": "integer"},
    "digits": {"type": "string", "pattern": "^[0-9]*$"},
    "version": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$"},
    "hex": {"type": "string", "pattern": "^[0-9A-Fa-f]*$"},
}
_HOW = (
    "The body is `KEY=VALUE` pairs joined by `&`, in the order of the properties, which clients of the time depended "
    "on; what is escaped, and how, `x-qqlab-encoding` says. The request line may lack its target (`POST HTTP/1.1`), "
    "and any `Content-Type`, or none, is taken. An empty value is an empty text, whatever the type."
)


def openapi(spec: Spec) -> str:
    """The description as JSON text."""
    return pretty(_Description(spec).document())


class _Description:
    """A spec being described; `names` are its commands and `tables` its codes, as components are called."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.names = distinct(spec.commands)
        self.tables = distinct(spec.codes)
        self.asked = [command for command in spec.commands.values() if command.effect != "push"]

    def document(self) -> Schema:
        return {
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "info": self._info(),
            "servers": [_server(self.spec)],
            "paths": {"/": {"post": self._operation()}},
            "components": {"schemas": self._schemas()},
            "x-qqlab-encoding": self._encoding(),
            "x-qqlab-pushes": [
                {"$ref": self._ref(command, "reply")}
                for command in self.spec.commands.values()
                if command not in self.asked
            ],
            "x-qqlab-sources": {
                name: {"title": source.title, "trust": source.trust, "primary": source.primary}
                for name, source in self.spec.sources.items()
            },
        }

    def _info(self) -> Schema:
        facts = "\n".join(
            f"* {markdown_safe(fact.topic)}: {markdown_safe(fact.doc)} ({markdown_safe(', '.join(fact.source))})"
            for fact in self.spec.wire.facts
        )
        return {
            "title": visible(self.spec.title),
            "version": "/".join(self.spec.versions) or "unknown",
            "summary": "Pairs over HTTP; the command stands in the body.",
            "description": f"{_HOW}\n\n{facts}".strip(),
            "x-qqlab-generator": f"qqlab {qqlab.__version__}",
        }

    def _encoding(self) -> Schema:
        wire = self.spec.wire
        return {
            "pairs": "KEY=VALUE joined by &, perhaps with a & at the end",
            "charsets": list(wire.charsets),
            "escape": "%xx, lower-case hex",
            "pairEscapes": list(wire.pair_escapes),
            "listEscapes": list(wire.list_escapes),
            "listSeparator": wire.list_separator,
            "list": "every item is followed by the separator, the last one too",
        }

    def _operation(self) -> Schema:
        kinds = ("text/plain", "application/x-www-form-urlencoded")
        return {
            "operationId": "send",
            "summary": "Send a command.",
            "description": f"Which one, {markdown_safe(self.spec.roles.command)} says, in any case of letters.",
            "requestBody": {
                "required": True,
                "content": {kind: self._content("request", kind) for kind in kinds},
            },
            "responses": {
                "200": {
                    "description": "The reply; whether it went well, its codes say.",
                    "content": {"text/*": self._content("reply", "")},
                }
            },
        }

    def _content(self, direction: Direction, kind: str) -> Schema:
        examples = {self.names[command.name]: self._example(command, direction) for command in self.asked}
        content = {"schema": {"$ref": f"#/components/schemas/{direction}"}, "examples": examples}
        lists = {field.name for command in self.asked for field in command.fields(direction) if field.list}
        if kind.startswith("application/") and lists:
            content["encoding"] = {name: {"style": "form", "explode": False} for name in sorted(lists)}
        return content

    def _example(self, command: Command, direction: Direction) -> Schema:
        return {
            "summary": visible(command.name),
            "value": {name: _plain(value) for name, value in sample.values(self.spec, command, direction).items()},
            "x-qqlab-body": sample.body(self.spec, command, direction),
        }

    def _schemas(self) -> Schema:
        made: Schema = {direction: self._any(direction) for direction in DIRECTIONS}
        for command in self.spec.commands.values():
            for direction in DIRECTIONS:
                made[f"{self.names[command.name]}.{direction}"] = self._message(command, direction)
        return made | {f"codes.{self.tables[name]}": _codes(table) for name, table in self.spec.codes.items()}

    def _ref(self, command: Command, direction: Direction) -> str:
        return f"#/components/schemas/{self.names[command.name]}.{direction}"

    def _any(self, direction: Direction) -> Schema:
        mapping: dict[str, str] = {}
        for command in self.asked:
            for name in (command.name, command.reply_name or command.name, command.name.upper()):
                mapping.setdefault(name, self._ref(command, direction))
        return {
            "oneOf": [{"$ref": self._ref(command, direction)} for command in self.asked],
            "discriminator": {"propertyName": self.spec.roles.command, "mapping": mapping},
        }

    def _message(self, command: Command, direction: Direction) -> Schema:
        fields = command.fields(direction)
        about: Schema = {
            "type": "object",
            "title": visible(f"{command.name}: the {direction}"),
            "description": markdown_safe(command.doc),
            "properties": {field.name: self._field(command, direction, field) for field in fields},
            "required": [field.name for field in fields if self._always(direction, field)],
            "x-qqlab-effect": command.effect,
            "x-qqlab-versions": list(command.versions),
            "x-qqlab-sources": list(command.source),
        }
        if conditional := self._conditional(command, direction):
            about["allOf"] = conditional
        if rows := [_rows(one) for one in command.rows if one.direction == direction]:
            about["x-qqlab-rows"] = rows
        if command.paging is not None and direction == "request":
            paging = command.paging
            about["x-qqlab-paging"] = {
                "limit": paging.limit, "cursor": paging.cursor, "complete": paging.complete, "doc": paging.doc,
            }  # fmt: skip
        if direction == "request":
            about["x-qqlab-reply"] = {"$ref": self._ref(command, "reply")}
        return about

    def _always(self, direction: Direction, field: Field) -> bool:
        """Whether a message has that field whatever else it says: one of a reply that failed has the common ones."""
        return field.required and not field.when and (direction == "request" or field in self.spec.common.reply)

    def _conditional(self, command: Command, direction: Direction) -> list[Schema]:
        """Fields that are there where others have certain values."""
        wanted: dict[str, tuple[Schema, list[str]]] = {}
        for field in command.fields(direction):
            if field.required and not self._always(direction, field):
                holds = {name: list(values) for name, values in field.when.items()}
                if direction == "reply" and field not in self.spec.common.reply:
                    holds = self._went_well() | holds
                condition = {
                    "required": list(holds),
                    "properties": {name: {"enum": values} for name, values in holds.items()},
                }
                wanted.setdefault(str(condition), (condition, []))[1].append(field.name)
        return [{"if": condition, "then": {"required": names}} for condition, names in wanted.values()]

    def _went_well(self) -> dict[str, list[int]]:
        """The status that says so, where its codes tell."""
        name = self.spec.roles.status
        field = self.spec.field(None, "reply", name)
        table = None if field is None or field.codes is None else self.spec.codes[field.codes]
        return {} if table is None else {name: [code.value for code in table.values if code.ok is not False]}

    def _field(self, command: Command, direction: Direction, field: Field) -> Schema:
        item: Schema = dict(_TYPES[field.type])
        if field.name == self.spec.roles.command:
            item["pattern"] = any_case(command.name)
        if field.constants:
            item = {"enum": [_constant(field, constant) for constant in field.constants]}
        if field.codes is not None:
            item = {"$ref": f"#/components/schemas/codes.{self.tables[field.codes]}"}
        made = {"type": "array", "items": item, "x-qqlab-list": True} if field.list else item
        return made | {"description": markdown_safe(field.doc)} | _extras(field, direction)


def _server(spec: Spec) -> Schema:
    ports = [str(port) for port in spec.wire.ports] or ["80"]
    return {
        "url": "http://{host}:{port}",
        "description": "A server of yours: the historical ones are gone, and nothing may try to reach them.",
        "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": ports[0]}},
    }


def _codes(table: CodeTable) -> Schema:
    """Any number may come; the documented ones have a meaning."""
    other = {"type": "integer", "title": "no documented value"}
    known = [value | {"description": markdown_safe(value["description"])} for value in code_values(table)]
    return {"description": markdown_safe(table.doc), "anyOf": [*known, other]}


def _constant(field: Field, constant: str) -> str | int:
    return int(constant) if field.type in ("int", "code") and constant.isdecimal() else constant


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _rows(rows: Rows) -> Schema:
    said = {"name": rows.name, "doc": rows.doc, "columns": list(rows.columns), "ordered": rows.ordered}
    return said | {key: value for key, value in (("key", rows.key), ("count", rows.count)) if value is not None}


def _extras(field: Field, direction: Direction) -> Schema:
    """What else the spec says of a field."""
    cases = [
        {"field": case.field, "values": list(case.values), "doc": case.doc}
        | ({"codes": case.codes} if case.codes else {})
        for case in field.cases
    ]
    said: Schema = {
        "x-qqlab-sources": list(field.source),
        "x-qqlab-versions": list(field.versions),
        "x-qqlab-layers": field.layers if field.layers > 1 else None,
        "x-qqlab-cases": cases,
        "x-qqlab-echo": field.echo,
        "x-qqlab-secret": field.secret,
        "x-qqlab-personal": field.personal,
        "writeOnly": field.secret and direction == "request",
    }
    return {key: value for key, value in said.items() if value}
