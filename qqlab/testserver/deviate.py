"""Wrong answers on purpose: rules that turn an honest reply into a deviating one.

Law: pure. A reply's bytes go in; bytes and what the shell shall do to the connection come out. Only what a rule names
is changed, every other byte stays. Rules apply in the order given; one that finds nothing to change does nothing.
What is done to a body stands in `qqlab.testserver.changes`.
"""

import gzip
import math
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Literal, NamedTuple

import msgspec

from qqlab import wire
from qqlab.errors import UsageError
from qqlab.spec import Command, Field, Spec
from qqlab.testserver import changes
from qqlab.testserver.changes import INTEGER, Change, Scene
from qqlab.wire import Pair

ANY = "*"
MOST_DELAY = 600.0
LONG = 10 * 1024 * 1024  # bytes of a reply that is too long

Ending = Literal["whole", "cut", "closed", "garbage", "silent", "reset", "endless", "drip"]

_SPELLING = re.compile(r"([a-z-]+):(\*|[A-Za-z0-9_]+)(?:\.([A-Za-z0-9_]+))?(?:=(.*))?", re.DOTALL)
_URL = re.compile(r"[!-~]{1,2000}")
_FOUND = 302

_RULES = "qqlab serve --help lists the rules"
_COMMANDS = "qqlab spec show lists the commands"


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

    `code` is the HTTP status and `headers` are more of its head (lines have none), `stated` how many bytes more its
    Content-Length says than there are, `delay` in seconds, `times` how often it is sent. `line_end` ends a line.
    `ending`: the reply is sent whole, without end, or byte by byte with a second between; it is cut in the middle, cut
    with a reset, not sent at all, or bytes that are no reply are sent in its place, and the connection is closed. Or
    nothing is sent, and the connection stays (silent).
    """

    body: bytes
    code: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    stated: int = 0
    delay: float = 0.0
    times: int = 1
    line_end: bytes = b"\r\n"
    ending: Ending = "whole"


class _Kind(NamedTuple):
    """What may be done: how the rule is spelt, and what it does: to the body's pairs, to the end, or to what is sent.

    `of` names in `_OF` what fields it is for, empty for any.
    """

    spelling: str
    doc: str
    change: Change | None = None
    ending: Ending | None = None
    send: "Callable[[Deviated, str], Deviated] | None" = None
    of: str = ""

    @property
    def has_field(self) -> bool:
        return ".FIELD" in self.spelling

    @property
    def value(self) -> str:
        """What stands behind `=` in the spelling, lower-case; empty for a rule without a value."""
        return self.spelling.partition("=")[2].lower()


def parse(text: str, spec: Spec) -> Rule:
    """Read a rule, `kind:COMMAND[.FIELD][=VALUE]`. Raises UsageError with what may be meant."""
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise _bad(text, "is no rule", "for example drop:GetInfo.NK; " + _RULES)
    name, command, field, value = match.groups()
    kind = KINDS.get(name)
    if kind is None:
        raise _bad(text, f"there is no rule {name!r}", _nearest(name, KINDS) + _RULES)
    known = spec.command(command)
    if known is None and command != ANY:
        raise _bad(text, f"the spec has no command {command!r}", _nearest(command, spec.commands) + _COMMANDS)
    if (field is not None) != kind.has_field or (value is not None) != (kind.value != ""):
        raise _bad(text, f"is spelt {kind.spelling}", "")
    if value is not None and not _fits(value, kind.value):
        raise _bad(text, f"{value!r} is no {kind.value}", f"it is spelt {kind.spelling}")
    rule = Rule(kind=name, command=ANY if known is None else known.name, field=field, value=value)
    mistake = _mistake(rule, spec)
    if mistake is not None:
        raise _bad(text, mistake, _about_field(rule, spec))
    return rule


def apply(rules: Iterable[Rule], body: bytes, command: Command, spec: Spec) -> Deviated:
    """The reply to that command as the rules want it."""
    deviated = Deviated(body=body)
    for rule in rules:
        if rule.command in (ANY, command.name):
            deviated = _apply(rule, Scene(rule.field, rule.value, command, spec), deviated)
    return deviated


def table() -> str:
    """The rules, one a line, as `--help` shows them."""
    width = max(len(kind.spelling) for kind in KINDS.values())
    return "\n".join(f"{kind.spelling:{width}}  {kind.doc}" for kind in KINDS.values())


def _bad(text: str, what: str, hint: str) -> UsageError:
    return UsageError(f"--deviate {text}", what, hint)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Which of the known names may be meant, as the beginning of a hint; nothing where none is like it."""
    spelt = {one.upper(): one for one in known}
    like = get_close_matches(name.upper(), spelt, n=3)
    return f"do you mean {' or '.join(spelt[one] for one in like)}? " if like else ""


def _about_field(rule: Rule, spec: Spec) -> str:
    """What may be meant in place of a field that does not fit."""
    commands = spec.commands.values() if rule.command == ANY else [spec.commands[rule.command]]
    names = dict.fromkeys(field.name for command in commands for field in command.fields("reply"))
    like = "" if rule.field is None or rule.field in names else _nearest(rule.field, names)
    return f"{like}qqlab spec show {'' if rule.command == ANY else rule.command}".rstrip() + " lists the fields"


def _fits(value: str, wanted: str) -> bool:
    match wanted:
        case "integer":
            return INTEGER.fullmatch(value) is not None
        case "url":
            return _URL.fullmatch(value) is not None
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
        fits, what = _OF[KINDS[rule.kind].of]
        if not any(fits(field) for field in fields):
            return f"{rule.field} {what}"
    tables = [rows for command in commands for rows in command.rows if rows.direction == "reply"]
    if rule.kind.startswith("row-") and not tables:
        return "the reply has no rows"
    if rule.kind == "count" and not any(rows.count is not None for rows in tables):
        return "the reply counts no rows"
    return None


def _apply(rule: Rule, scene: Scene, deviated: Deviated) -> Deviated:
    kind = KINDS[rule.kind]
    if kind.ending is not None:
        return msgspec.structs.replace(deviated, ending=kind.ending)
    if kind.send is not None:
        return kind.send(deviated, rule.value or "")
    pairs = list(wire.split(deviated.body))
    end = [pairs.pop()] if pairs[-1] == Pair(b"", None) else []
    if kind.change is None:
        end = [] if end else [Pair(b"", None)]
    else:
        pairs = kind.change(pairs, scene)
    return msgspec.structs.replace(deviated, body=wire.join([*pairs, *end]))


# --------------------------------------------------------------------------------------- what is done to all of a reply


def _later(deviated: Deviated, seconds: str) -> Deviated:
    return msgspec.structs.replace(deviated, delay=deviated.delay + float(seconds))


def _status(deviated: Deviated, code: str) -> Deviated:
    return msgspec.structs.replace(deviated, code=int(code))


def _redirect(deviated: Deviated, url: str) -> Deviated:
    return msgspec.structs.replace(deviated, code=_FOUND, headers=(*deviated.headers, ("Location", url)))


def _packed(deviated: Deviated, _: str) -> Deviated:
    headers = (*deviated.headers, ("Content-Encoding", "gzip"))
    return msgspec.structs.replace(deviated, body=gzip.compress(deviated.body, mtime=0), headers=headers)


def _ill_packed(deviated: Deviated, _: str) -> Deviated:
    packed = _packed(deviated, "")
    return msgspec.structs.replace(packed, body=packed.body[: len(packed.body) // 2])


def _stated(deviated: Deviated, more: str) -> Deviated:
    return msgspec.structs.replace(deviated, stated=deviated.stated + int(more))


def _long(deviated: Deviated, _: str) -> Deviated:
    return msgspec.structs.replace(deviated, body=deviated.body + b"0" * max(0, LONG - len(deviated.body)))


def _twice(deviated: Deviated, _: str) -> Deviated:
    return msgspec.structs.replace(deviated, times=deviated.times + 1)


def _ended(deviated: Deviated, _: str) -> Deviated:
    return msgspec.structs.replace(deviated, body=deviated.body + b"\r\n")


def _line_feed(deviated: Deviated, _: str) -> Deviated:
    return msgspec.structs.replace(deviated, line_end=b"\n")


_OF: dict[str, tuple[Callable[[Field], bool], str]] = {
    "": (lambda field: True, ""),
    "code": (lambda field: field.type == "code", "is no code there; `value:` changes any field"),
    "echo": (lambda field: field.echo, "repeats nothing of the request there"),
    "list": (lambda field: field.list, "is no list there"),
    "number": (lambda field: field.type in ("int", "code"), "is no number there"),
    "text": (lambda field: field.type == "text", "is no text there"),
}

KINDS: dict[str, _Kind] = {
    kind.spelling.partition(":")[0]: kind
    for kind in (
        _Kind("drop:COMMAND.FIELD", "leave a field out", changes.drop),
        _Kind("add:COMMAND.FIELD=TEXT", "put a field at the end", changes.add),
        _Kind("double:COMMAND.FIELD", "say a field twice", changes.double),
        _Kind("bare:COMMAND.FIELD", "say a field's name alone, without =", changes.bare),
        _Kind("spelling:COMMAND.FIELD", "swap the case of a field's name", changes.spelling),
        _Kind("move:COMMAND.FIELD", "put a field behind the others", changes.move),
        _Kind("code:COMMAND.FIELD=INTEGER", "change a code (of a list, its first item)", changes.put, of="code"),
        _Kind("value:COMMAND.FIELD=TEXT", "change a value (of a list, its first item)", changes.put),
        _Kind("cell:COMMAND.FIELD=TEXT", "change the last item of a list", changes.cell, of="list"),
        _Kind("echo:COMMAND.FIELD", "repeat something else than was asked with", changes.echo, of="echo"),
        _Kind("charset:COMMAND.FIELD", "write a text in the other charset", changes.charset, of="text"),
        _Kind("escape:COMMAND.FIELD", "write each byte of a value as %xx", changes.escape),
        _Kind("blank:COMMAND.FIELD", "write a blank behind a value (of a list, behind each item)", changes.blank),
        _Kind("zero:COMMAND.FIELD", "write a zero before a number (of a list, before each)", changes.zero, of="number"),
        _Kind("reorder:COMMAND", "let the last two fields change places", changes.reorder),
        _Kind("count:COMMAND", "count one row too many", changes.count),
        _Kind("list-end:COMMAND.FIELD", "no comma behind a list, or one too many", changes.list_end, of="list"),
        _Kind("list-drop:COMMAND.FIELD", "leave the last item of one list out", changes.list_drop, of="list"),
        _Kind("list-add:COMMAND.FIELD", "say the last item of one list twice", changes.list_add, of="list"),
        _Kind("list-order:COMMAND.FIELD", "let one list begin with its last item", changes.list_order, of="list"),
        _Kind("row-drop:COMMAND", "leave the last row out, of the count too", changes.row_drop),
        _Kind("row-add:COMMAND", "say the last row twice, and count it", changes.row_add),
        _Kind("row-order:COMMAND", "reverse the rows", changes.row_order),
        _Kind("case:COMMAND", "swap the case of the command's name", changes.case),
        _Kind("trailing:COMMAND", "end in & where the reply does not, and the other way round"),
        _Kind("newline:COMMAND", "write a line end behind all fields", send=_ended),
        _Kind("text:COMMAND=TEXT", "send that text in place of the fields", changes.replace),
        _Kind("line-end:COMMAND", "end a line in LF alone (bare lines)", send=_line_feed),
        _Kind("twice:COMMAND", "send the reply twice, or the push", send=_twice),
        _Kind("delay:COMMAND=SECONDS", "reply later", send=_later),
        _Kind("status:COMMAND=STATUS", "another HTTP status", send=_status),
        _Kind("redirect:COMMAND=URL", "HTTP status 302, and where to go", send=_redirect),
        _Kind("gzip:COMMAND", "pack the body with gzip, and say so", send=_packed),
        _Kind("gzip-broken:COMMAND", "pack the body with gzip, and send half of it", send=_ill_packed),
        _Kind("length:COMMAND=INTEGER", "a Content-Length of so many bytes more (less with -)", send=_stated),
        _Kind("long:COMMAND", "a reply of 10 MB", send=_long),
        _Kind("endless:COMMAND", "a reply that never ends", ending="endless"),
        _Kind("drip:COMMAND", "one byte of the reply a second", ending="drip"),
        _Kind("close:COMMAND", "close the connection without a reply", ending="closed"),
        _Kind("cut:COMMAND", "close the connection in the middle of the reply", ending="cut"),
        _Kind("reset:COMMAND", "reset the connection in the middle of the reply", ending="reset"),
        _Kind("garbage:COMMAND", "send bytes that are no reply", ending="garbage"),
        _Kind("silence:COMMAND", "send nothing, and keep the connection", ending="silent"),
    )
}
