"""A dissector for Wireshark, in Lua: `dissector.lua` beside this module, and the spec as a table of data in it.

Law: nothing of the spec is code there. Texts are quoted so that none ends early, names of fields and commands become
filter names of a small alphabet, and the code goes by the table alone, whatever the protocol.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from qqlab.codec import MOST_FIELDS
from qqlab.publish.names import distinct
from qqlab.spec import DIRECTIONS, Case, CodeTable, Command, Direction, Field, Spec
from qqlab.visible import visible

_PLACE = "--[[SPEC]] nil"
_LONGEST = 200
# What Wireshark shows as a number is exact up to here, wherever it comes by.
_MOST = 2**53

# Charsets of Python as Wireshark calls them; one that it lacks is passed over.
_CHARSETS = {
    "utf-8": "ENC_UTF_8", "ascii": "ENC_ASCII", "latin-1": "ENC_ISO_8859_1", "iso-8859-1": "ENC_ISO_8859_1",
    "cp1252": "ENC_WINDOWS_1252", "cp1251": "ENC_WINDOWS_1251", "gb18030": "ENC_GB18030", "gbk": "ENC_GB18030",
    "gb2312": "ENC_GB18030", "big5": "ENC_BIG5", "euc-kr": "ENC_EUC_KR",
}  # fmt: skip
# What is left of a good value of a type once this Lua pattern is taken out: nothing.
_PATTERNS = {"digits": "^%d+$", "hex": "^%x+$", "version": "^[%d%.]*%d$"}

# Filter names that stand for something of the dissector's own.
_TAKEN = (
    *("direction", "command", "transport", "http_status", "head", "unknown", "odd", "meaning"),
    *("request_in", "response_in", "time", "note", "ports"),
)


def dissector(spec: Spec) -> str:
    """The dissector's text: one file to load."""
    code = resources.files("qqlab.publish").joinpath("dissector.lua").read_text(encoding="utf-8")
    data = _Data(spec)
    return code.replace("SHORT", data.short).replace(_PLACE, data.lua(), 1)


def quoted(text: str) -> str:
    """Text as a Lua string: printable ASCII as it is, any other byte, quotes and backslashes by number."""
    return '"' + "".join(_byte(byte) for byte in text.encode("utf-8", "surrogateescape")) + '"'


def _byte(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in '"\\' else f"\\{byte:03d}"


def shown(text: str) -> str:
    """Text for people as a Lua string: one visible line of bounded length."""
    return quoted(visible(text, _LONGEST))


class _Literal(str):
    """Lua that needs no quotes."""

    __slots__ = ()


def _lua(value: Any, indent: str = "") -> str:
    """A value as a Lua literal: texts quoted, mappings and sequences as tables, absent values left out."""
    if isinstance(value, _Literal):
        return value
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    deeper = indent + "  "
    entries = (
        [f"[{_lua(key)}] = {_lua(item, deeper)}" for key, item in value.items() if item is not None]
        if isinstance(value, Mapping)
        else [_lua(item, deeper) for item in value]
    )
    inner = ", ".join(entries)
    if len(inner) + len(indent) < 100 and "\n" not in inner:
        return "{ " + inner + " }" if entries else "{}"
    return "{\n" + "".join(f"{deeper}{entry},\n" for entry in entries) + indent + "}"


class _Data:
    """A spec as the table that the dissector reads. `fields` are the filter fields by their names."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.short = (spec.short or distinct([spec.name], fold=True)[spec.name]).lower()
        self.commands = distinct(spec.commands, fold=True, taken=(*_TAKEN, *self._common_names()))
        self.fields: dict[str, dict[str, Any]] = {}

    def _common_names(self) -> Iterator[str]:
        names = (field.name.upper() for direction in DIRECTIONS for field in self._fields(None, direction))
        yield from distinct(names, fold=True, taken=_TAKEN).values()

    def lua(self) -> str:
        spec = self.spec
        common = {direction: self._layout(None, direction) for direction in DIRECTIONS}
        commands = {_key(name): self._command(command) for name, command in spec.commands.items()}
        return _lua(
            {
                "short": self.short,
                "title": _Literal(shown(spec.title)),
                "ports": ",".join(map(str, spec.wire.ports)),
                "roles": {
                    role: getattr(spec.roles, role) for role in ("version", "command", "sequence", "account", "status")
                },
                "charsets": [_CHARSETS[name.lower()] for name in spec.wire.charsets if name.lower() in _CHARSETS],
                "separator": spec.wire.list_separator,
                "list_escapes": {f"{ord(character):02x}": character for character in spec.wire.list_escapes},
                "patterns": _PATTERNS,
                "codes": {name: _codes(table) for name, table in spec.codes.items()},
                "judges": {name: table.judges for name, table in spec.codes.items()},
                "common": common,
                "commands": commands,
                "fields": list(self.fields.values()),
            }
        )

    def _command(self, command: Command) -> dict[str, Any]:
        made = {direction: self._layout(command, direction) for direction in DIRECTIONS}
        rows = [
            {
                "name": _Literal(shown(rows.name)),
                "direction": rows.direction,
                "columns": list(rows.columns),
                "count": rows.count,
            }
            for rows in command.rows
        ]
        return {"name": _Literal(shown(command.name)), "push": command.effect == "push", "rows": rows} | made

    def _layout(self, command: Command | None, direction: Direction) -> list[dict[str, Any]]:
        common: tuple[Field, ...] = getattr(self.spec.common, direction)
        return [
            self._field(None if field in common else command, direction, field)
            for field in self._fields(command, direction)[:MOST_FIELDS]
        ]

    def _fields(self, command: Command | None, direction: Direction) -> tuple[Field, ...]:
        common: tuple[Field, ...] = getattr(self.spec.common, direction)
        return common if command is None else command.fields(direction)

    def _field(self, command: Command | None, direction: Direction, field: Field) -> dict[str, Any]:
        """A field of a command, or one that every message has."""
        return {
            "key": field.name,
            "index": self._index(command, direction, field),
            "type": field.type,
            "number": _is_number(field),
            "codes": field.codes,
            "list": field.list or None,
            "layers": field.layers,
            "required": field.required or None,
            "echo": field.echo or None,
            "common": command is None or None,
            "when": {name: _set(values) for name, values in field.when.items()} or None,
            "constants": _set(field.constants) if field.constants else None,
            "cases": [_case(case) for case in field.cases] or None,
        }

    def _index(self, command: Command | None, direction: Direction, field: Field) -> int:
        """Which of the filter fields it is, from 1; a new one where there is none like it."""
        scope = self._scope(command, direction, field)
        abbr = f"{scope}.{self._name(command, field)}"
        made = {
            "abbr": abbr,
            "name": _Literal(shown(field.name)),
            "doc": _Literal(shown(field.doc)),
            "number": _is_number(field),
            "codes": field.codes if _is_number(field) else None,
        }
        self.fields.setdefault(abbr, made)
        return 1 + list(self.fields).index(abbr)

    def _scope(self, command: Command | None, direction: Direction, field: Field) -> str:
        """What stands before the field's name; the direction too, where the other one has another kind of field by that
        name."""
        scope = self.short if command is None else f"{self.short}.{self.commands[command.name]}"
        same = [one for d in DIRECTIONS for one in self._fields(command, d) if one.name.upper() == field.name.upper()]
        kinds = {(_is_number(one), one.codes) for one in same}
        return scope if len(kinds) == 1 else f"{scope}.{direction}"

    def _name(self, command: Command | None, field: Field) -> str:
        names = [one.name.upper() for direction in DIRECTIONS for one in self._fields(command, direction)]
        taken = _TAKEN if command is None else DIRECTIONS
        return distinct(names, fold=True, taken=taken)[field.name.upper()]


def _is_number(field: Field) -> bool:
    return field.type in ("int", "code")


def _case(case: Case) -> dict[str, Any]:
    return {"field": case.field, "values": _set(case.values), "doc": _Literal(shown(case.doc)), "codes": case.codes}


def _key(name: str) -> str:
    """A name as it is looked up: in upper case as far as Lua knows cases."""
    return "".join(character.upper() if character.isascii() else character for character in name)


def _set(values: Sequence[object]) -> dict[Any, bool]:
    return dict.fromkeys(values, True)


def _codes(table: CodeTable) -> dict[int, dict[str, Any]]:
    return {
        code.value: {"name": _Literal(shown(" / ".join(reading.meaning for reading in code.readings))), "ok": code.ok}
        for code in table.values
        if abs(code.value) < _MOST
    }
