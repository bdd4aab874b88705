"""Wrong answers on purpose: rules that turn an honest reply into a deviating one.

Law: pure. A reply's bytes go in; bytes and what the shell shall do to the connection come out. Only what a rule names
is changed, every other byte stays. Rules apply in the order given; one that finds nothing to change does nothing.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from qqlab import wire
from qqlab.codec import values
from qqlab.errors import UsageError
from qqlab.spec import Command, Rows, Spec
from qqlab.wire import Pair

ANY = "*"
MOST_DELAY = 600.0

Ending = Literal["whole", "cut", "closed", "garbage", "silent"]

_SPELLING = re.compile(r"([a-z-]+):(\*|[A-Za-z0-9_]+)(?:\.([A-Za-z0-9_]+))?(?:=(.*))?", re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]{1,18}")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One deviation: `kind` is a key of `KINDS`, `command` the spec's spelling or `*` for every command."""

    kind: str
    command: str
    field: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        field = "" if self.field is None else f".{self.field}"
        value = "" if self.value is None else f"={self.value}"
        return f"{self.kind}:{self.command}{field}{value}"


class Deviated(msgspec.Struct, frozen=True, kw_only=True):
    """What to send in place of the honest reply.

    `code` is the HTTP status (lines have none), `delay` in seconds. `ending`: the reply is sent whole, cut in the
    middle, not at all, or bytes that are no reply are sent in its place; but for the first the connection is then
    closed. Or nothing is sent, and the connection stays (silent).
    """

    body: bytes
    code: int = 200
    delay: float = 0.0
    ending: Ending = "whole"


class _Scene(NamedTuple):
    """What a change of the body may look at."""

    rule: Rule
    command: Command
    spec: Spec


_Change = Callable[[list[Pair], _Scene], list[Pair]]


class _Kind(NamedTuple):
    """What may be done: how the rule is spelt, and either a change of the body or an ending, or neither."""

    spelling: str
    doc: str
    change: _Change | None = None
    ending: Ending | None = None

    @property
    def has_field(self) -> bool:
        return ".FIELD" in self.spelling

    @property
    def value(self) -> str:
        """What stands behind `=` in the spelling, lower-case; empty for a rule without a value."""
        return self.spelling.partition("=")[2].lower()


def parse(text: str, spec: Spec) -> Rule:
    """Read a rule, `kind:COMMAND[.FIELD][=VALUE]`. Raises UsageError that lists the rules."""
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise _bad(text, "is no rule")
    name, command, field, value = match.groups()
    kind = KINDS.get(name)
    if kind is None:
        raise _bad(text, f"there is no rule {name!r}")
    known = spec.command(command)
    if known is None and command != ANY:
        raise _bad(text, f"the spec has no command {command!r}")
    if (field is not None) != kind.has_field or (value is not None) != (kind.value != ""):
        raise _bad(text, f"is spelt {kind.spelling}")
    if value is not None and not _fits(value, kind.value):
        raise _bad(text, f"{value!r} is no {kind.value}")
    rule = Rule(kind=name, command=ANY if known is None else known.name, field=field, value=value)
    mistake = _mistake(rule, spec)
    if mistake is not None:
        raise _bad(text, mistake)
    return rule


def apply(rules: Iterable[Rule], body: bytes, command: Command, spec: Spec) -> Deviated:
    """The reply to that command as the rules want it."""
    deviated = Deviated(body=body)
    for rule in rules:
        if rule.command in (ANY, command.name):
            deviated = _apply(_Scene(rule, command, spec), deviated)
    return deviated


def table() -> str:
    """The rules, one a line, as `--help` shows them."""
    width = max(len(kind.spelling) for kind in KINDS.values())
    return "\n".join(f"{kind.spelling:{width}}  {kind.doc}" for kind in KINDS.values())


def _bad(text: str, what: str) -> UsageError:
    spellings = ", ".join(kind.spelling for kind in KINDS.values())
    return UsageError(f"--deviate {text}", what, f"the rules: {spellings}; COMMAND may be *")


def _fits(value: str, wanted: str) -> bool:
    match wanted:
        case "integer":
            return _INTEGER.fullmatch(value) is not None
        case "status":
            return value.isascii() and value.isdecimal() and int(value[:9]) in range(200, 600)
        case "seconds":
            try:
                seconds = float(value)
            except ValueError:
                return False
            return math.isfinite(seconds) and 0 <= seconds <= MOST_DELAY
    return True


def _mistake(rule: Rule, spec: Spec) -> str | None:
    """What the spec says against a rule, so that none is given that could never do anything."""
    commands = list(spec.commands.values()) if rule.command == ANY else [spec.commands[rule.command]]
    if rule.field is not None and rule.kind != "add":
        fields = [field for command in commands if (field := command.field("reply", rule.field)) is not None]
        if not fields:
            return f"the reply has no field {rule.field!r}"
        if rule.kind == "code" and not any(field.type == "code" for field in fields):
            return f"{rule.field} is no code there; `value:` changes any field"
    tables = [rows for command in commands for rows in command.rows if rows.direction == "reply"]
    if rule.kind.startswith("row-") and not tables:
        return "the reply has no rows"
    if rule.kind == "count" and not any(rows.count is not None for rows in tables):
        return "the reply counts no rows"
    return None


def _apply(scene: _Scene, deviated: Deviated) -> Deviated:
    rule, kind = scene.rule, KINDS[scene.rule.kind]
    if kind.ending is not None:
        return msgspec.structs.replace(deviated, ending=kind.ending)
    if kind.value == "seconds":
        return msgspec.structs.replace(deviated, delay=deviated.delay + float(rule.value or 0))
    if kind.value == "status":
        return msgspec.structs.replace(deviated, code=int(rule.value or 0))
    pairs = list(wire.split(deviated.body))
    end = [pairs.pop()] if pairs[-1] == Pair(b"", None) else []
    if kind.change is None:
        end = [] if end else [Pair(b"", None)]
    else:
        pairs = kind.change(pairs, scene)
    return msgspec.structs.replace(deviated, body=wire.join([*pairs, *end]))


# ------------------------------------------------------------------------------------------------- changes of a body


def _place(pairs: Sequence[Pair], name: str | None) -> int | None:
    """Where the first pair of that name stands, or None."""
    wanted = (name or "").encode().upper()
    return next((place for place, pair in enumerate(pairs) if pair.key.upper() == wanted), None)


def _drop(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    place = _place(pairs, scene.rule.field)
    return pairs if place is None else pairs[:place] + pairs[place + 1 :]


def _set(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    """Give a field another value; of a list, its first item."""
    name, text = scene.rule.field or "", scene.rule.value or ""
    place, field = _place(pairs, name), scene.command.field("reply", name)
    if place is None or field is None:
        return pairs
    if not field.list:
        return _with(pairs, place, values.write(text, field, scene.spec.wire))
    items = _items(pairs[place], scene)
    separator = scene.spec.wire.list_separator.encode()
    first = values.write((text,), field, scene.spec.wire).removesuffix(separator)
    return _with(pairs, place, _list([first, *items[1:]], scene)) if items else pairs


def _reorder(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    return [*pairs[:-2], *reversed(pairs[-2:])]


def _add(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    value = values.write(scene.rule.value, None, scene.spec.wire)
    return [*pairs, Pair((scene.rule.field or "").encode(), value)]


def _count(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    for rows in scene.command.rows:
        place = _place(pairs, rows.count) if rows.count is not None else None
        if place is not None:
            pairs = _with(pairs, place, str(_number(pairs[place]) + 1).encode())
    return pairs


def _case(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    place = _place(pairs, scene.spec.roles.command)
    return pairs if place is None else _with(pairs, place, (pairs[place].value or b"").swapcase())


def _row_drop(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    return _on_rows(pairs, scene, lambda items: items[:-1])


def _row_add(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    return _on_rows(pairs, scene, lambda items: items + items[-1:])


def _row_order(pairs: list[Pair], scene: _Scene) -> list[Pair]:
    return _on_rows(pairs, scene, lambda items: items[::-1])


def _on_rows(pairs: list[Pair], scene: _Scene, change: Callable[[list[bytes]], list[bytes]]) -> list[Pair]:
    """Change all columns of each table alike, and the count with them."""
    for rows in scene.command.rows:
        pairs = _on_table(pairs, scene, rows, change)
    return pairs


def _on_table(pairs: list[Pair], scene: _Scene, rows: Rows, change: Callable[[list[bytes]], list[bytes]]) -> list[Pair]:
    length = 0
    for column in rows.columns:
        place = _place(pairs, column)
        if place is not None:
            items = change(_items(pairs[place], scene))
            length = max(length, len(items))
            pairs = _with(pairs, place, _list(items, scene))
    place = _place(pairs, rows.count) if rows.count is not None else None
    return pairs if place is None else _with(pairs, place, str(length).encode())


def _with(pairs: Sequence[Pair], place: int, value: bytes) -> list[Pair]:
    return [*pairs[:place], Pair(pairs[place].key, value), *pairs[place + 1 :]]


def _items(pair: Pair, scene: _Scene) -> list[bytes]:
    """The raw items of a list; a separator within an item is escaped, so none stands there raw."""
    return (pair.value or b"").split(scene.spec.wire.list_separator.encode())[:-1]


def _list(items: Iterable[bytes], scene: _Scene) -> bytes:
    separator = scene.spec.wire.list_separator.encode()
    return b"".join(item + separator for item in items)


def _number(pair: Pair) -> int:
    text = (pair.value or b"").decode("latin-1")
    return int(text) if _INTEGER.fullmatch(text) else 0


KINDS: dict[str, _Kind] = {
    kind.spelling.partition(":")[0]: kind
    for kind in (
        _Kind("drop:COMMAND.FIELD", "leave a field out", change=_drop),
        _Kind("add:COMMAND.FIELD=TEXT", "put a field at the end", change=_add),
        _Kind("code:COMMAND.FIELD=INTEGER", "change a code (of a list, its first item)", change=_set),
        _Kind("value:COMMAND.FIELD=TEXT", "change a value (of a list, its first item)", change=_set),
        _Kind("reorder:COMMAND", "let the last two fields change places", change=_reorder),
        _Kind("count:COMMAND", "count one row too many", change=_count),
        _Kind("row-drop:COMMAND", "leave the last row out, of the count too", change=_row_drop),
        _Kind("row-add:COMMAND", "say the last row twice, and count it", change=_row_add),
        _Kind("row-order:COMMAND", "reverse the rows", change=_row_order),
        _Kind("case:COMMAND", "swap the case of the command's name", change=_case),
        _Kind("trailing:COMMAND", "end in & where the reply does not, and the other way round"),
        _Kind("delay:COMMAND=SECONDS", "reply later"),
        _Kind("status:COMMAND=STATUS", "another HTTP status"),
        _Kind("close:COMMAND", "close the connection without a reply", ending="closed"),
        _Kind("cut:COMMAND", "close the connection in the middle of the reply", ending="cut"),
        _Kind("garbage:COMMAND", "send bytes that are no reply", ending="garbage"),
        _Kind("silence:COMMAND", "send nothing, and keep the connection", ending="silent"),
    )
}
