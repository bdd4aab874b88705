"""Two values of the same field: what they say, and whether they are written alike.

Law: values compare by their typed meaning; bytes are looked at only where the meaning is the same. What is said of
a value carries the name of its code, and nothing of a secret.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from qqlab import spec as specs
from qqlab.codec import MOST_ITEMS, Field, Scalar, Value, case_code, case_of, values
from qqlab.codec import text as texts
from qqlab.diff.finding import Deviation, unlike
from qqlab.spec import Spec

SECRET = "(secret)"


def said(value: Value, known: specs.Field | None, spec: Spec, beside: Mapping[str, Value]) -> str:
    """A value for people: with the name of its code, joined where it is a list, empty where it is."""
    if known is not None and known.secret:
        return SECRET
    if isinstance(value, tuple):
        return ", ".join(said(item, known, spec, beside) for item in value)
    if value is None:
        return ""
    name = None if known is None else _code_name(value, known, spec, beside)
    return str(value) if name is None else f"{value} {name}"


def number(told: str | None) -> int | None:
    """The number of a code that `said` told, with its name or without; None where it told another value."""
    digits = (told or "").partition(" ")[0]
    return int(digits) if digits.removeprefix("-").isdecimal() and len(digits) < 19 else None


def accounts(values: Iterable[tuple[specs.Field | None, Value]]) -> tuple[str, ...]:
    """The accounts that these values name, each once."""
    named = [value for known, value in values if known is not None and known.account]
    items = [item for value in named for item in (value if isinstance(value, tuple) else (value,))]
    return tuple(dict.fromkeys(str(item) for item in items if item is not None))


def _code_name(value: Scalar, known: specs.Field, spec: Spec, beside: Mapping[str, Value]) -> str | None:
    if not known.cases:
        code = spec.code(known, value)
        return None if code is None else code.name
    scalars = {name: other for name, other in beside.items() if not isinstance(other, tuple)}
    case = case_of(known, scalars)
    code = spec.code(known, value) if case is None else case_code(spec, case, value)
    return None if code is None else code.name


def plainly(field: specs.Field, expected: bytes, actual: bytes, spec: Spec) -> Deviation | None:
    """How two values of a field differ that have no escapes; None where more than that has to be looked at."""
    if not (_is_plain(expected) and _is_plain(actual)):
        return None
    try:
        sides = expected.decode(spec.wire.charsets[0]), actual.decode(spec.wire.charsets[0])
    except UnicodeDecodeError:
        return None
    left, right = values.parse(sides[0], field)[0], values.parse(sides[1], field)[0]
    if left == right:
        return None
    rule = "code" if field.type == "code" else "value"
    about = accounts([(field, left), (field, right)]) if field.account else ()
    return Deviation(rule, field.name, None, said(left, field, spec, {}), said(right, field, spec, {}), about)


def _is_plain(raw: bytes) -> bool:
    return texts.is_plain(raw) and raw.find(b"\n") < 0


def written(expected: Field, actual: Field, spec: Spec, plus: tuple[bool, bool]) -> Iterator[Deviation]:
    """How two fields of the same value differ in their bytes; `plus` tells for each side whether + is a blank."""
    if expected.raw is None or actual.raw is None or expected.raw == actual.raw:
        return
    known = expected.spec
    if known is not None and known.list:
        behind = _behind(expected, spec), _behind(actual, spec)
        if behind[0] != behind[1]:
            place, sides = next(
                one for one in enumerate(zip_longest(*behind), MOST_ITEMS + 1) if one[1][0] != one[1][1]
            )
            told = (SECRET if known.secret and side is not None else side or "nothing" for side in sides)
            yield unlike("more", expected.name, None, (f"item {place:,}: {side}" for side in told))
            return
    rule = _how_written(expected, actual, spec, plus)
    yield Deviation(
        rule, expected.name, None, expected.raw.decode("utf-8", "replace"), actual.raw.decode("utf-8", "replace")
    )


def _behind(field: Field, spec: Spec) -> Sequence[str]:
    """The items of a list that were not read."""
    separator = spec.wire.list_separator
    if field.text.count(separator) < MOST_ITEMS:
        return ()
    return values.items(field.text.rstrip("\r\n"), separator)[0][MOST_ITEMS:]


def _how_written(expected: Field, actual: Field, spec: Spec, plus: tuple[bool, bool]) -> str:
    raw = expected.raw or b"", actual.raw or b""
    if raw[0].rstrip(b"\r\n") == raw[1].rstrip(b"\r\n"):
        return "body.terminator"
    data = texts.unescape(raw[0], plus[0]), texts.unescape(raw[1], plus[1])
    if data[0] == data[1]:
        return "text.escape"
    read = [texts.decode(side, spec.wire.charsets) for side in data]
    if any(side.charset == texts.RAW for side in read):
        return "value"  # bytes that no charset explains have a text, but two of the same text are not alike
    known = expected.spec
    if known is not None and known.list:
        ends = [values.items(side.text.rstrip("\r\n"), spec.wire.list_separator)[1] for side in (expected, actual)]
        if ends[0] != ends[1]:
            return "list.terminator"
    if expected.text == actual.text:
        return "text.charset"
    return "text.escape" if known is None or known.type == "text" else "value.form"
