"""Which exchanges are wanted: a condition in a small language, read once and held against each exchange.

Law: nothing is run but what stands here: names, literals, comparisons, `and`, `or`, `not`, `in` and the functions of
`FUNCTIONS`; anything else is refused when the condition is read, and so is a name that there is not. Holding it against
an exchange raises nothing.

* Names: those of `NAMES`, and `request.FIELD` and `reply.FIELD` for the fields of the spec, in any case of letters; a
  field that is not in the spec is `reply["FIELD"]`. A doubled field is its first, a list is one: `"10002" in reply.UN`.
* What is missing or empty is like nothing and unlike nothing: a comparison with it does not hold, whichever it is. Ask
  `reply.RS == None` or `reply.RS != None`.
* A number and a text are compared as numbers where the text is one (`account == 29501213`, whatever zeros lead), else
  as texts: version `1.10` is not `1.1`. Names of commands are compared without case. A time is compared with
  `"2026-11-24T12:00"`, taken for UTC where it does not say.
"""

import ast
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from qqlab.codec import Decoded, decode, succeeded
from qqlab.errors import UsageError
from qqlab.exchange import Exchange
from qqlab.spec import DIRECTIONS, Direction, Spec


class Subject(NamedTuple):
    """What a condition is held against."""

    exchange: Exchange
    decoded: Decoded
    spec: Spec


class CommandName(str):
    """The name of a command, which is compared without case."""

    __slots__ = ()


_Read = Callable[[Subject], Any]


class Name(NamedTuple):
    """What a name stands for, in words and as a look-up."""

    about: str
    read: _Read


NAMES: dict[str, Name] = {
    "id": Name("the exchange's id", lambda it: it.exchange.id),
    "session": Name("the session", lambda it: it.exchange.session),
    "time": Name("when the request was complete", lambda it: it.exchange.time),
    "elapsed": Name("seconds to the reply", lambda it: it.exchange.elapsed),
    "client": Name("HOST:PORT of the client", lambda it: it.exchange.client or None),
    "server": Name("HOST:PORT of the server", lambda it: it.exchange.server or None),
    "transport": Name("http, tcp, lines or transcript", lambda it: it.exchange.transport),
    "error": Name("why there is no (whole) reply", lambda it: it.exchange.error),
    "command": Name("the command", lambda it: CommandName(it.decoded.command) if it.decoded.command else None),
    "version": Name("the version", lambda it: it.decoded.version),
    "account": Name("the account number", lambda it: it.decoded.account),
    "sequence": Name("the sequence number", lambda it: it.decoded.sequence),
    "status": Name("the reply's status", lambda it: it.decoded.status),
    "ok": Name(
        "whether the server did what was asked, None where nobody can tell", lambda it: succeeded(it.decoded, it.spec)
    ),
    "notes": Name("the codes of what is odd, a list", lambda it: tuple(note.code for note in it.decoded.notes)),
    "severity": Name(
        "the severities of the notes, a list", lambda it: tuple(note.severity for note in it.decoded.notes)
    ),
    "pushed": Name("whether nobody asked for it", lambda it: it.exchange.request is None),
}


def _length(value: Any) -> int:
    return 0 if value is None else len(value) if isinstance(value, tuple) else len(str(value))


def _has(value: Any, part: Any) -> bool:
    return value is not None and str(part).casefold() in str(value).casefold()


FUNCTIONS: dict[str, tuple[int, str, Callable[..., Any]]] = {
    "len": (1, "how many items a list has, or characters a text; 0 for what is missing", _length),
    "contains": (2, "whether a text holds another, in any case of letters", _has),
}

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: bool(a == b),
    ast.NotEq: lambda a, b: bool(a != b),
    ast.Lt: lambda a, b: bool(a < b),
    ast.LtE: lambda a, b: bool(a <= b),
    ast.Gt: lambda a, b: bool(a > b),
    ast.GtE: lambda a, b: bool(a >= b),
}
_LONGEST = 2000
_DEEPEST = 50


class Condition:
    """A condition that was read. Raises UsageError, one line, for one that cannot be."""

    def __init__(self, text: str, spec: Spec) -> None:
        self._spec = spec
        self._holds = _Reader(text, spec).read()

    def holds(self, exchange: Exchange) -> bool:
        """Whether it holds of an exchange."""
        return bool(self._holds(Subject(exchange, decode(exchange, self._spec), self._spec)))


class _Reader:
    """Makes a function of a condition's text."""

    def __init__(self, text: str, spec: Spec) -> None:
        self.text = text
        self.depth = 0
        self.fields = {d: {f.name.upper(): f.name for _, way, f in spec.every_field() if way == d} for d in DIRECTIONS}

    def read(self) -> _Read:
        if len(self.text) > _LONGEST:
            raise self._wrong(f"is longer than {_LONGEST} characters")
        try:
            with warnings.catch_warnings(action="ignore"):  # of escapes that mean nothing
                tree = ast.parse(self.text.strip(), mode="eval")
            return self._node(tree.body)
        except (SyntaxError, ValueError, MemoryError) as error:
            raise self._wrong(f"is no condition: {getattr(error, 'msg', None) or error}") from error
        except RecursionError as error:
            raise self._wrong("is nested too deeply") from error

    def _wrong(self, what: str, hint: str = "") -> UsageError:
        shown = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        return UsageError(f"--where {shown}", what, hint or "for example 'reply.RES != 0 and account == 10001'")

    def _node(self, node: ast.expr) -> _Read:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._wrong("is nested too deeply")
        try:
            return self._of(node)
        finally:
            self.depth -= 1

    def _of(self, node: ast.expr) -> _Read:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self._node(value) for value in values]
                if isinstance(op, ast.And):
                    return lambda it: all(part(it) for part in parts)
                return lambda it: any(part(it) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._node(operand)
                return lambda it: not inner(it)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return lambda it: -number
            case ast.Compare():
                return self._compare(node)
            case ast.Constant(value=str() | int() | float() | None as value):
                return lambda it: value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                made = [self._node(item) for item in items]
                return lambda it: tuple(item(it) for item in made)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=ast.Name(id="request" | "reply" as direction), attr=name):
                return self._field(direction, name)
            case ast.Subscript(
                value=ast.Name(id="request" | "reply" as direction), slice=ast.Constant(value=str() as name)
            ):
                return _field(direction, self.fields[direction].get(name.upper(), name))
            case ast.Attribute(value=ast.Name(id=name)):
                raise self._wrong(f"unknown name {name!r} before the dot", "fields are request.FIELD and reply.FIELD")
        raise self._wrong(f"{ast.unparse(node)!r} is not understood here", _ALLOWED)

    def _name(self, name: str) -> _Read:
        if name in NAMES:
            return NAMES[name].read
        if name in DIRECTIONS:
            raise self._wrong(f"{name!r} needs a field", f"for example {name}.{next(iter(self.fields[name]))}")
        where = [d for d in DIRECTIONS if name.upper() in self.fields[d]]
        if where:
            raise self._wrong(
                f"unknown name {name!r}", "did you mean " + " or ".join(f"{d}.{name.upper()}" for d in where)
            )
        raise self._wrong(f"unknown name {name!r}", f"known: {', '.join(NAMES)}, request.FIELD, reply.FIELD")

    def _field(self, direction: Direction, name: str) -> _Read:
        known = self.fields[direction].get(name.upper())
        if known is None:
            there = ", ".join(sorted(self.fields[direction].values()))
            hint = f'known: {there}; one that is not in the spec: {direction}["{name}"]'
            raise self._wrong(f"unknown field {name!r} of a {direction}", hint)
        return _field(direction, known)

    def _call(self, name: str, arguments: list[ast.expr]) -> _Read:
        if name not in FUNCTIONS:
            raise self._wrong(f"unknown function {name!r}", f"known: {', '.join(FUNCTIONS)}")
        count, _, function = FUNCTIONS[name]
        if len(arguments) != count:
            raise self._wrong(f"{name} takes {count} argument{'s'[: count != 1]}, not {len(arguments)}")
        made = [self._node(argument) for argument in arguments]
        return lambda it: function(*(argument(it) for argument in made))

    def _compare(self, node: ast.Compare) -> _Read:
        sides = [node.left, *node.comparators]
        for side in sides:
            self._check_time(sides, side)
        read = [self._node(side) for side in sides]
        tests = [_test(op, any(map(_is_none, sides[at : at + 2]))) for at, op in enumerate(node.ops)]
        return lambda it: all(test(read[at](it), read[at + 1](it)) for at, test in enumerate(tests))

    def _check_time(self, sides: list[ast.expr], side: ast.expr) -> None:
        """What a time is compared with must be one."""
        is_time = any(isinstance(one, ast.Name) and one.id == "time" for one in sides)
        if is_time and isinstance(side, ast.Constant) and side.value is not None and _time(side.value) is None:
            raise self._wrong(f"{side.value!r} is no time", 'for example time >= "2026-11-24T12:00"')


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


_ALLOWED = "what there is: names, texts, numbers, == != < <= > >=, in, and, or, not, len(…), contains(…, …)"


def _field(direction: Direction, name: str) -> _Read:
    def read(it: Subject) -> Any:
        message = getattr(it.decoded, direction)
        return None if message is None else message.value(name)

    return read


def _test(op: ast.cmpop, asks_none: bool) -> Callable[[Any, Any], bool]:
    """What a comparison does; one with None itself asks whether something is missing."""
    if isinstance(op, ast.In | ast.NotIn):
        wanted = isinstance(op, ast.In)
        return lambda item, whole: item is not None and whole is not None and _within(item, whole) == wanted
    kind = {ast.Is: ast.Eq, ast.IsNot: ast.NotEq}.get(type(op), type(op))
    if asks_none:
        return lambda a, b: (a is b) == (kind is ast.Eq) and kind in (ast.Eq, ast.NotEq)
    compare = _COMPARISONS[kind]
    return lambda a, b: _compared(compare, a, b)


def _within(item: Any, whole: Any) -> bool:
    if isinstance(whole, tuple):
        return any(_compared(_COMPARISONS[ast.Eq], item, one) for one in whole)
    return str(item) in str(whole)


def _compared(compare: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    if a is None or b is None:
        return False
    a, b = _alike(a, b)
    try:
        return compare(a, b)
    except TypeError:
        return False


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Two values as they are compared: both numbers, both times, or both texts."""
    if isinstance(a, CommandName) or isinstance(b, CommandName):
        return str(a).casefold(), str(b).casefold()
    if isinstance(a, datetime) or isinstance(b, datetime):
        return _time(a), _time(b)
    if isinstance(a, str) != isinstance(b, str) and not isinstance(a, tuple) and not isinstance(b, tuple):
        return _numbers(a, b)
    return a, b


def _numbers(a: Any, b: Any) -> tuple[Any, Any]:
    text, number = (a, b) if isinstance(a, str) else (b, a)
    core = text.strip(" ")
    if isinstance(number, int) and core.removeprefix("-").isdecimal() and core.isascii() and len(core) < 100:
        made: Any = int(core)
    else:
        made, number = core, str(number)
    return (made, number) if isinstance(a, str) else (number, made)


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
