"""No secret and no personal value stands in any report, whatever is odd about the message that holds it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab import report as reports
from qqlab import spec as specs
from qqlab.capture import Capture, header
from qqlab.exchange import Exchange, RawMessage
from qqlab.spec import DIRECTIONS, Command, Direction, Field

SPEC = specs.builtin()
MASKED = {field.name for _, _, field in SPEC.every_field() if field.secret or field.personal}
# One that is of no field's type, one that is short enough for a code, and one that is of every type.
MARKERS = ("q7Zmarker", "917364258", "9173642589173642")

Writing = Callable[[str, str], str]
WRITINGS: dict[str, Writing] = {
    "plain": lambda name, value: f"{name}={value}",
    "a list": lambda name, value: f"{name}={value},{value},",
    "an unterminated list": lambda name, value: f"{name}={value},x,{value}",
    "a longer list": lambda name, value: f"{name}=" + f"{value}," * 9,
    "doubled": lambda name, value: f"{name}={value}&{name}=x{value}&{name}",
    "in another case": lambda name, value: f"{name.lower()}={value}",
    "with blanks": lambda name, value: f" {name} = {value} ",
    "escaped": lambda name, value: f"{name}=" + "".join(f"%{ord(character):02x}" for character in value),
    "escaped twice": lambda name, value: f"{name}=%25{ord(value[0]):02x}{value[1:]}%252c{value}",
    "with a broken escape": lambda name, value: f"{name}=%{value}%zz+{value}",
    "in no charset": lambda name, value: f"{name}=\udcff{value}\udcfe",
    "long": lambda name, value: f"{name}=" + value * 99,
    "broken by &": lambda name, value: f"{name}={value} & so is {value}& {value}=1&{value}&x {value}={value}",
    "with an = in it": lambda name, value: f"{name}={value}={value}",
    "with an end of line": lambda name, value: f"{name}={value}\r\n",
}


def masked(command: Command | None, direction: Direction) -> Iterator[str]:
    """The names of that message that are masked: by the spec, or for want of it by their name."""
    for name in sorted(MASKED):
        known = SPEC.field(command, direction, name)
        if known is None or known.secret or known.personal:
            yield name


def filler(field: Field, number: int) -> str:
    """A value for a field that is not masked: of lists one item for each case of those beside it."""
    if field.codes is not None and field.list:
        return "".join(f"{value.value}," for value in SPEC.codes[field.codes].values)
    if field.codes is not None:
        return str(SPEC.codes[field.codes].values[-1].value)
    return "1,2,3," if field.list else str(number)


def body(command: Command, direction: Direction, writing: Writing, value: str, number: int) -> str:
    fields = [field for field in command.fields(direction) if field.name not in MASKED]
    pairs = [f"{f.name}={command.name if f.name == SPEC.roles.command else filler(f, number)}" for f in fields]
    return "&".join([*pairs, *(writing(name, value) for name in masked(command, direction))])


def exchange(number: int, request: str, reply: str) -> Exchange:
    ask, say = (RawMessage(body=text.encode("utf-8", "surrogateescape")) for text in (request, reply))
    return Exchange(id=str(number), session="s", request=ask, reply=say)


def known(writing: Writing, value: str) -> Iterator[Exchange]:
    """Every command, with all that it masks; replies repeat nothing, since their numbers are others."""
    for number, command in enumerate(SPEC.commands.values()):
        request, reply = (body(command, direction, writing, value, number + len(direction)) for direction in DIRECTIONS)
        yield exchange(number, request, reply)


def unclear(writing: Writing, value: str) -> Iterator[Exchange]:
    """Messages of no known command, of no command, and of none of the protocol's fields."""
    pairs = "&".join(writing(name, value) for name in sorted(MASKED))
    for number, head in enumerate(("VER=1.1&CMD=Dance&SEQ=1&UIN=2&", "VER=9&SEQ=1&UIN=2&", "")):
        yield exchange(100 + number, head + pairs, head + pairs)
    for number, command in enumerate(SPEC.commands.values()):
        yield exchange(200 + number, f"CMD={command.name}&VER=1.1", f"<html>{value}&nbsp;{value};<p x={value}>")


def assert_hidden(exchanges: Iterable[Exchange], *values: str) -> None:
    numbered = (msgspec.structs.replace(one, id=str(number)) for number, one in enumerate(exchanges))
    capture = Capture(header=header(SPEC, redacted="none"), exchanges=tuple(numbered), path="x.jsonl")
    report = reports.build([capture], SPEC)
    page = reports.to_html(report, reports.explore([capture], report, SPEC))
    for text in (reports.to_json(report), reports.to_markdown(report), page):
        for value in values:
            assert value not in text, text[text.index(value) - 300 :][:400]


@pytest.mark.parametrize("source", [known, unclear])
@pytest.mark.parametrize("name", WRITINGS)
def test_no_masked_value_is_in_a_report(name: str, source: Callable[[Writing, str], Iterator[Exchange]]) -> None:
    first = list(WRITINGS).index(name) % len(
        MARKERS
    )  # what is kept are the first ones, so each marker is first in turn
    values = MARKERS[first:] + MARKERS[:first]
    assert_hidden(chain.from_iterable(source(WRITINGS[name], value) for value in values), *values)


@pytest.mark.parametrize("value", MARKERS)
def test_nor_does_an_error_tell_it(value: str) -> None:
    secret = next(field.name for _, _, field in SPEC.every_field() if field.secret)
    told = (f"400 Bad request line: {secret}={value}&x=y", f"broke off behind {value}")
    once = list(known(WRITINGS["plain"], value))
    assert_hidden((msgspec.structs.replace(one, error=error) for one in once for error in told), value)


@settings(max_examples=8)
@given(st.permutations(range(len(SPEC.commands) * 2)), st.data())
def test_nor_is_it_in_any_mixture(order: list[int], data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(MARKERS))
    writings = [data.draw(st.sampled_from(list(WRITINGS.values()))) for _ in range(3)]
    every = [one for writing in writings for source in (known, unclear) for one in source(writing, value)]
    chosen = [every[index % len(every)] for index in order[:6]]
    assert_hidden((exchange(n, text(one.request), text(one.reply)) for n, one in enumerate(chosen)), value)


def text(message: RawMessage | None) -> str:
    return "" if message is None else message.body.decode("utf-8", "surrogateescape")
