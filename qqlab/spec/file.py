"""Reading a spec file, and finding every mistake in it.

Law: a spec is accepted whole or refused with the path of each mistake (`$.commands.Login.reply[2].type`); none
is repaired or passed over. `check` returns mistakes as data; `load` raises on the first of them.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from qqlab.errors import InputError
from qqlab.spec import languages
from qqlab.spec.languages import LANGS, OWN, Lang
from qqlab.spec.mistake import Mistake, quoted
from qqlab.spec.model import DIRECTIONS, Case, Command, Field, Rows, Spec

# How the spec that comes with the package is called.
BUILTIN = "qqlab/spec/httpqq.toml"

_ASCII = bytes(range(128))
_NUMBER = re.compile(r" *-?[0-9]{1,18} *")
_SHORT = re.compile(r"([A-Za-z][A-Za-z0-9]{0,19})?")


@cache
def builtin(lang: Lang = OWN) -> Spec:
    """The spec that comes with the package, its texts in that language."""
    overlay = None if lang == OWN else _packaged(_translation(Path(BUILTIN), lang).name)
    return parse(text(None), BUILTIN, overlay)


def text(path: Path | None) -> str:
    """The text of a spec file, or of the one that comes with the package. Raises InputError."""
    return _packaged(Path(BUILTIN).name) if path is None else _read(path)


def load(path: Path, lang: Lang = OWN) -> Spec:
    """Read a spec file, its texts in that language where a translation stands beside it (`NAME.zh.toml`).

    Raises InputError that names the file and its first mistake, which may be the translation's.
    """
    translation = _translation(path, lang)
    overlay = _read(translation) if lang != OWN and translation.exists() else None
    return parse(_read(path), str(path), overlay, str(translation))


def check(path: Path) -> list[Mistake]:
    """All mistakes of a spec file, none if it can be used. Raises InputError for a file that is no TOML."""
    document = _document(_read(path), str(path))
    return list(find_mistakes(document))


def translations(path: Path) -> list[Path]:
    """The files beside a spec file that translate it."""
    return [file for lang in LANGS if lang != OWN and (file := _translation(path, lang)).exists()]


def check_translation(path: Path, translation: Path) -> tuple[list[Mistake], list[str]]:
    """All mistakes of the translation of a spec file that has none, and the paths of the texts that it leaves out.

    Raises InputError for a file that is no TOML.
    """
    document = _document(_read(path), str(path))
    overlay = _document(_read(translation), str(translation))
    return list(languages.find_mistakes(document, overlay)), languages.untranslated(document, overlay)


def parse(toml: str, where: str, overlay: str | None = None, beside: str = "its translation") -> Spec:
    """Make a spec of TOML text, and of the text of an overlay; `where` and `beside` stand in errors.

    Raises InputError with the first mistake.
    """
    document = _document(toml, where)
    _refuse(where, where, list(find_mistakes(document)))
    if overlay is not None:
        texts = _document(overlay, beside)
        _refuse(beside, where, list(languages.find_mistakes(document, texts)))
        document = languages.overlaid(document, texts)
    return _resolve(msgspec.convert(document, Spec))


def _refuse(where: str, spec: str, mistakes: list[Mistake]) -> None:
    if mistakes:
        more = f", and {len(mistakes) - 1} more" if len(mistakes) > 1 else ""
        raise InputError(where, f"{mistakes[0]}{more}", f"see all: qqlab spec check {spec}")


def _translation(path: Path, lang: Lang) -> Path:
    return path.with_name(f"{path.stem}.{lang}.toml")


def _packaged(name: str) -> str:
    return resources.files("qqlab.spec").joinpath(name).read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"is not UTF-8 at byte {error.start}", "a spec is a TOML file") from error


def _document(toml: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(toml)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(where, f"is not TOML: {error}") from error


def _resolve(spec: Spec) -> Spec:
    commands = {
        name: msgspec.structs.replace(
            command,
            name=name,
            request=spec.common.request + command.request,
            reply=spec.common.reply + command.reply,
        )
        for name, command in spec.commands.items()
    }
    return msgspec.structs.replace(spec, commands=commands)


def find_mistakes(document: dict[str, Any]) -> Iterator[Mistake]:
    """All mistakes of a document as TOML gives it; those of meaning only once the shape is right."""
    shape = list(_shape(document, msgspec.inspect.type_info(Spec), "$"))
    if shape:
        yield from shape
        return
    yield from _meaning(msgspec.convert(document, Spec))


def _shape(value: Any, kind: msgspec.inspect.Type, path: str) -> Iterator[Mistake]:
    """Compare a value with its type, going on after each mistake (msgspec itself stops at the first)."""
    if isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict):
        known = {field.name: field for field in kind.fields}
        for key in value:
            if key not in known:
                yield Mistake(f"{path}.{key}", f"unknown key; known here: {', '.join(known)}")
        for name, field in known.items():
            if name in value:
                yield from _shape(value[name], field.type, f"{path}.{name}")
            elif field.required:
                yield Mistake(f"{path}.{name}", "is missing")
    elif isinstance(kind, msgspec.inspect.DictType) and isinstance(value, dict):
        for key, item in value.items():
            yield from _shape(item, kind.value_type, f"{path}.{quoted(key)}")
    elif isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _shape(item, kind.item_type, f"{path}[{index}]")
    elif isinstance(kind, msgspec.inspect.UnionType):
        inner = [option for option in kind.types if not isinstance(option, msgspec.inspect.NoneType)]
        yield from _shape(value, inner[0], path)
    else:
        yield from _leaf(value, kind, path)


def _leaf(value: Any, kind: msgspec.inspect.Type, path: str) -> Iterator[Mistake]:
    match kind:
        case msgspec.inspect.LiteralType(values=values):
            if value not in values or isinstance(value, bool):
                yield Mistake(path, f"unknown value {value!r}; known: {', '.join(map(str, values))}")
        case msgspec.inspect.StrType():
            if not isinstance(value, str):
                yield Mistake(path, f"expected a text, not {_describe(value)}")
        case msgspec.inspect.IntType():
            if not isinstance(value, int) or isinstance(value, bool):
                yield Mistake(path, f"expected a whole number, not {_describe(value)}")
        case msgspec.inspect.BoolType():
            if not isinstance(value, bool):
                yield Mistake(path, f"expected true or false, not {_describe(value)}")
        case _:
            wanted = "a list" if isinstance(kind, msgspec.inspect.VarTupleType) else "a table"
            yield Mistake(path, f"expected {wanted}, not {_describe(value)}")


def _describe(value: Any) -> str:
    names = {dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a whole number"}
    return names.get(type(value), type(value).__name__)


def _meaning(spec: Spec) -> Iterator[Mistake]:
    """Mistakes in a document of the right shape: names that stand for nothing."""
    if not _SHORT.fullmatch(spec.short):
        yield Mistake("$.short", "expected up to 20 letters and digits that begin with a letter")
    yield from _roles(spec)
    yield from _wire(spec)
    yield from _sources(spec)
    for name, table in spec.codes.items():
        path = f"$.codes.{quoted(name)}.values"
        yield from _doubles((value.value for value in table.values), path, "value")
        for index, value in enumerate(table.values):
            if not value.readings:
                yield Mistake(f"{path}[{index}].readings", "is empty: a value needs a meaning and its source")
            for number, reading in enumerate(value.readings):
                if reading.contradicts is not None and reading.contradicts not in table.by_value:
                    where = f"{path}[{index}].readings[{number}].contradicts"
                    yield Mistake(where, f"the table has no value {reading.contradicts}")
    for direction in DIRECTIONS:
        fields: tuple[Field, ...] = getattr(spec.common, direction)
        yield from _fields(spec, fields, fields, f"$.common.{direction}")
    folded: dict[str, str] = {}
    for name, command in spec.commands.items():
        if folded.setdefault(name.upper(), name) != name:
            yield Mistake(f"$.commands.{quoted(name)}", f"is {folded[name.upper()]} in another case")
        yield from _command(spec, name, command)


def _roles(spec: Spec) -> Iterator[Mistake]:
    yield from _doubles(msgspec.structs.astuple(spec.roles), "$.roles", "field")
    for role, field in msgspec.structs.asdict(spec.roles).items():
        wanted = ("reply",) if role == "status" else DIRECTIONS
        for direction in wanted:
            if not any(known.name == field for known in getattr(spec.common, direction)):
                yield Mistake(f"$.roles.{role}", f"$.common.{direction} has no field {field!r}")


def _wire(spec: Spec) -> Iterator[Mistake]:
    if not spec.wire.charsets:
        yield Mistake("$.wire.charsets", "is empty: text needs a charset")
    for index, charset in enumerate(spec.wire.charsets):
        try:
            keeps_ascii = _ASCII.decode("ascii").encode(charset) == _ASCII and b"".decode(charset) == ""
        except (LookupError, UnicodeError, ValueError):
            yield Mistake(f"$.wire.charsets[{index}]", f"{charset!r} is no charset that Python knows")
            continue
        if not keeps_ascii:
            yield Mistake(f"$.wire.charsets[{index}]", f"{charset!r} does not keep ASCII, and keys, & and = are ASCII")
    if (
        len(spec.wire.list_separator) != 1
        or not spec.wire.list_separator.isascii()
        or spec.wire.list_separator in "&=%"
    ):
        yield Mistake("$.wire.list_separator", "expected one ASCII character other than & = %")
    for index, port in enumerate(spec.wire.ports):
        if not 0 < port < 65536:
            yield Mistake(f"$.wire.ports[{index}]", f"{port} is no TCP port: expected 1 to 65535")
    for layer in ("pair_escapes", "list_escapes"):
        for index, character in enumerate(getattr(spec.wire, layer)):
            if len(character) != 1 or not character.isascii():
                yield Mistake(f"$.wire.{layer}[{index}]", f"expected one ASCII character, not {character!r}")


def _sources(spec: Spec) -> Iterator[Mistake]:
    """Every `source` anywhere names declared sources."""

    def visit(value: Any, path: str) -> Iterator[Mistake]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "source":
                    if not item:
                        yield Mistake(f"{path}.source", "is empty: every fact needs its source")
                    for index, source in enumerate(item):
                        if source not in spec.sources:
                            yield Mistake(f"{path}.source[{index}]", f"{source!r} is not declared in $.sources")
                else:
                    yield from visit(item, f"{path}.{quoted(key)}")
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from visit(item, f"{path}[{index}]")

    yield from visit(msgspec.to_builtins(spec), "$")


def _command(spec: Spec, name: str, command: Command) -> Iterator[Mistake]:
    path = f"$.commands.{quoted(name)}"
    for direction in DIRECTIONS:
        known = getattr(spec.common, direction) + command.fields(direction)
        yield from _fields(spec, command.fields(direction), known, f"{path}.{direction}")
        yield from _doubles((field.name for field in known), f"{path}.{direction}", "field")
    for index, version in enumerate(command.versions):
        if version not in spec.versions:
            yield Mistake(f"{path}.versions[{index}]", f"{version!r} is not declared in $.versions")
    for index, rows in enumerate(command.rows):
        yield from _rows(spec, command, rows, f"{path}.rows[{index}]")
    if command.key is not None and not any(field.name == command.key for field in command.reply):
        yield Mistake(f"{path}.key", f"the reply has no field {command.key!r}")
    if command.presence is not None:
        table = spec.codes.get(command.presence.codes)
        if table is None:
            yield Mistake(f"{path}.presence.codes", f"no table {command.presence.codes!r} in $.codes")
        elif command.presence.value not in table.by_value:
            yield Mistake(f"{path}.presence.value", f"table {command.presence.codes} has no {command.presence.value}")
    if command.paging is not None:
        ends = (
            ("limit", command.paging.limit, command.request),
            ("cursor", command.paging.cursor, command.request),
            ("complete", command.paging.complete, command.reply),
        )
        for end, wanted, fields in ends:
            if not any(field.name == wanted for field in fields):
                yield Mistake(f"{path}.paging.{end}", f"the command has no field {wanted!r} there")


def _fields(spec: Spec, fields: Iterable[Field], known: tuple[Field, ...], path: str) -> Iterator[Mistake]:
    names = {field.name for field in known}
    for index, field in enumerate(fields):
        here = f"{path}[{index}]"
        if field.type == "code" and field.codes is None:
            yield Mistake(f"{here}.codes", "is missing: a code needs its table")
        if field.codes is not None and field.codes not in spec.codes:
            yield Mistake(f"{here}.codes", f"no table {field.codes!r} in $.codes")
        for number, constant in enumerate(field.constants if field.type in ("int", "code") else ()):
            if _NUMBER.fullmatch(constant) is None:
                yield Mistake(f"{here}.constants[{number}]", f"{constant!r} is no number, as {field.type} fields are")
        for number, version in enumerate(field.versions):
            if version not in spec.versions:
                yield Mistake(f"{here}.versions[{number}]", f"{version!r} is not declared in $.versions")
        for other in field.when:
            if other not in names:
                yield Mistake(f"{here}.when.{quoted(other)}", f"no field {other!r} beside it")
        for number, case in enumerate(field.cases):
            if case.field not in names:
                yield Mistake(f"{here}.cases[{number}].field", f"no field {case.field!r} beside it")
            if case.codes is not None and case.codes not in spec.codes:
                yield Mistake(f"{here}.cases[{number}].codes", f"no table {case.codes!r} in $.codes")
            yield from _presence(case, names, f"{here}.cases[{number}]")
        yield from _presence(field, names, here)


def _presence(one: Field | Case, names: set[str], path: str) -> Iterator[Mistake]:
    """What is wrong with whose presence a code is."""
    if one.presence_of is None:
        return
    if one.presence_of not in names:
        yield Mistake(f"{path}.presence_of", f"no field {one.presence_of!r} beside it")
    if one.codes is None:
        yield Mistake(f"{path}.presence_of", "a presence is a code: it needs a table")


def _rows(spec: Spec, command: Command, rows: Rows, path: str) -> Iterator[Mistake]:
    fields = {field.name: field for field in getattr(spec.common, rows.direction) + command.fields(rows.direction)}
    for index, column in enumerate(rows.columns):
        if column not in fields:
            yield Mistake(f"{path}.columns[{index}]", f"the {rows.direction} has no field {column!r}")
        elif not fields[column].list:
            yield Mistake(f"{path}.columns[{index}]", f"field {column!r} is no list")
    if not rows.columns:
        yield Mistake(f"{path}.columns", "is empty: a row needs its columns")
    if rows.key is not None and rows.key not in rows.columns:
        yield Mistake(f"{path}.key", f"{rows.key!r} is none of the columns")
    if rows.count is not None and rows.count not in fields:
        yield Mistake(f"{path}.count", f"the {rows.direction} has no field {rows.count!r}")
    if rows.key is None and not rows.ordered:
        yield Mistake(f"{path}.key", "is missing: rows without order need a key")


def _doubles(values: Iterable[object], path: str, what: str) -> Iterator[Mistake]:
    seen: set[object] = set()
    for value in values:
        folded = value.upper() if isinstance(value, str) else value
        if folded in seen:
            yield Mistake(path, f"{what} {value!r} stands there twice")
        seen.add(folded)
