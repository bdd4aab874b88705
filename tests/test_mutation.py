"""The judge on trial: for each command and each rule a server that is wrong in just that way, and what is said of it.

Cases are made of the spec, of the scenes and of the table of rules, so a rule without a case fails here. A pair of
command and rule without a case has a reason. Each case is looked at from both sides: what is a row too many in one
capture is a row missing in the other.
"""

import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

import msgspec
import pytest
from scenes import KNOWN, SCENES, SPEC, Step, command_of, login, message, play

from qqlab import http1
from qqlab.codec import Decoded, Message, decode
from qqlab.diff import RULES, Comparison, Finding, compare
from qqlab.exchange import Exchange
from qqlab.failures import FAILURES
from qqlab.spec import Command, Field, Rows
from qqlab.testserver import Accounts

Edit = Callable[[list[Exchange], str], list[Exchange]]


class Wrong(NamedTuple):
    """One way to be wrong: a rule of `--deviate`, or what was done to the second capture; and what the finding names.

    Where two fields can be told as well as the other (which of two changed places?), `fields` has both.
    """

    how: "str | Edit"
    fields: tuple[str | None, ...] = (None,)
    row: str | None = None


class Look(NamedTuple):
    """A scene, and the one reply that it is about."""

    scene: str
    command: Command
    exchange: Exchange
    decoded: Decoded
    reply: Message

    @property
    def push(self) -> bool:
        return self.command.effect == "push"

    @property
    def lines(self) -> bool:
        return self.exchange.transport == "lines"

    @property
    def tables(self) -> list[Rows]:
        return [rows for rows in self.command.rows if rows.direction == "reply"]

    def rule(self, kind: str, field: Field | None = None, value: str | None = None) -> str:
        """A rule of `--deviate` for this command."""
        named = "" if field is None else f".{field.name}"
        return f"{kind}:{self.command.name}{named}" + ("" if value is None else f"={value}")

    def fields(self) -> Iterator[Field]:
        """The fields that are there, but for those by which a push is known: without them it is another one."""
        known = {SPEC.roles.command, SPEC.roles.account, self.command.key} if self.push else set()
        if self.decoded.command != self.reply.name:  # a picture in place of the reply to a login: only its name tells
            known = {SPEC.roles.command}
        for field in self.reply.fields:
            if field.spec is not None and field.name not in known:
                yield field.spec

    def all_fields(self) -> Iterator[Field]:
        return (field.spec for field in self.reply.fields if field.spec is not None)

    def plain(self) -> Iterator[Field]:
        """Fields that neither repeat the request nor are a list, a count or a secret."""
        counts = {rows.count for rows in self.tables}
        for field in self.fields():
            if not (field.echo or field.list or field.secret or field.name in counts):
                yield field

    def rows(self, rows: Rows) -> list[str]:
        """How each row is called."""
        table = next(table for table in self.reply.tables if table.spec is rows)
        key = rows.key
        return [f"#{n}" if key is None else str(row.cells[key]) for n, row in enumerate(table.rows, 1)]


Recipe = Callable[[Look], Iterable[Wrong]]


def _each(kind: str, fields: Callable[[Look], Iterable[Field]], value: str | None = None) -> Recipe:
    def recipe(look: Look) -> Iterator[Wrong]:
        for field in fields(look):
            yield Wrong(look.rule(kind, field, value), (field.name,))

    return recipe


def _once(kind: str, value: str | None = None, when: Callable[[Look], bool] = lambda look: True) -> Recipe:
    return lambda look: [Wrong(look.rule(kind, None, value))] if when(look) else []


def _changed(edit: Edit, field: str | None = None, when: Callable[[Look], bool] = lambda look: True) -> Recipe:
    return lambda look: [Wrong(edit, (field,))] if when(look) else []


def _other(field: Field, value: object) -> str:
    """Another value of the same type."""
    if isinstance(value, int):
        return str(value + 1)
    return {"digits": "98765", "hex": "abcdef", "version": "9.9"}.get(field.type, "something else")


def _values(look: Look) -> Iterator[Wrong]:
    for field in look.plain():
        if field.type != "code" and not field.fresh and field.name != look.exchange.id:
            yield Wrong(look.rule("value", field, _other(field, look.reply.value(field.name))), (field.name,))


def _codes(look: Look) -> Iterator[Wrong]:
    for field in look.plain():
        if field.codes is None:
            continue
        known = [code.value for code in SPEC.codes[field.codes].values if code.value != look.reply.value(field.name)]
        for value in [*known, 77]:
            yield Wrong(look.rule("code", field, str(value)), (field.name,))


def _cells(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        labels = look.rows(rows)
        for column in rows.columns:
            field = look.command.field("reply", column)
            items = look.reply.value(column)
            assert field is not None
            assert isinstance(items, tuple)
            yield Wrong(look.rule("value", field, _other(field, items[0])), (column,), labels[0])
            yield Wrong(look.rule("cell", field, _other(field, items[-1])), (column,), labels[-1])


def _lengths(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        for field in look.fields():
            if field.name in rows.columns and len(rows.columns) > 1:
                yield Wrong(look.rule("list-drop", field), (field.name,))
                yield Wrong(look.rule("list-add", field), (field.name,))


def _shifted(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        lists = [list(look.reply.value(column) or ()) for column in rows.columns]  # type: ignore[arg-type]
        for column, items in zip(rows.columns, lists, strict=True):
            field = look.command.field("reply", column)
            shifted = [items[-1:] + items[:-1] if other is items else other for other in lists]
            if Counter(zip(*shifted, strict=True)) != Counter(zip(*lists, strict=True)):
                yield Wrong(look.rule("list-order", field), (column,))


def _counts(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        if rows.count is not None:
            yield Wrong(look.rule("count"), (rows.count,))
            if len(rows.columns) == 1:
                field = look.command.field("reply", rows.count)
                assert field is not None
                yield Wrong(look.rule("value", field, "x"), (rows.count,))


def _row_gone(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        yield Wrong(look.rule("row-drop"), (rows.key,), look.rows(rows)[-1])


def _row_more(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        labels = look.rows(rows)
        yield Wrong(
            look.rule("row-add"), (rows.key,), f"#{len(labels) + 1}" if rows.key is None else f"{labels[-1]} (2)"
        )


def _goes_on(look: Look) -> bool:
    paging = look.command.paging
    return paging is not None and look.reply.value(paging.complete) == 0


def _row_order(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        if rows.ordered or _goes_on(look):
            yield Wrong(look.rule("row-order"), (rows.key,))


def _permuted(look: Look) -> Iterator[Wrong]:
    for rows in look.tables:
        if not rows.ordered and not _goes_on(look):
            yield Wrong(look.rule("row-order"), (rows.key,))


def _order(look: Look) -> Iterator[Wrong]:
    names = [field.name for field in look.reply.fields]
    for field in list(look.all_fields())[:-1]:
        beside = names[-1:] if field.name == names[-2] else []
        yield Wrong(look.rule("move", field), (field.name, *beside))
    yield Wrong(look.rule("reorder"), (names[-2], names[-1]))


def _texts(look: Look) -> Iterator[Field]:
    """Texts that are written otherwise in another charset."""
    for field in look.all_fields():
        told = look.reply.get(field.name)
        if field.type == "text" and told is not None and told.raw is not None and not told.raw.isascii():
            yield field


def _said(look: Look) -> Iterator[Field]:
    """Fields with something that can be escaped."""
    for field in look.all_fields():
        told = look.reply.get(field.name)
        own = look.push and field.name == SPEC.roles.sequence  # a push's number is the server's own
        if told is not None and told.raw and not field.secret and not own:
            yield field


def _loose(look: Look) -> Iterator[Wrong]:
    """Blanks and zeros that mean nothing."""
    for field in _said(look):
        if field.type != "text":
            yield Wrong(look.rule("blank", field), (field.name,))
        if field.type in ("int", "code"):
            yield Wrong(look.rule("zero", field), (field.name,))


def _terminators(look: Look) -> Iterator[Wrong]:
    yield Wrong(look.rule("trailing"))
    if not look.lines:
        yield Wrong(look.rule("newline"), (None, look.reply.fields[-1].name))


def _edited(edit: Callable[[Exchange], Exchange | None]) -> Edit:
    """Do something to the exchange of that id."""

    def all_of(exchanges: list[Exchange], identifier: str) -> list[Exchange]:
        changed = [edit(exchange) if exchange.id == identifier else exchange for exchange in exchanges]
        return [exchange for exchange in changed if exchange is not None]

    return all_of


def _asked_more(exchange: Exchange) -> Exchange:
    assert exchange.request is not None
    request = msgspec.structs.replace(exchange.request, body=exchange.request.body + b"&XX=1")
    return msgspec.structs.replace(exchange, request=request)


def _asked_else(exchange: Exchange) -> Exchange:
    other = play(SCENES["DelFromList" if b"CMD=Finger" in _sent(exchange) else "Finger"])[-1]
    return msgspec.structs.replace(exchange, request=other.request, reply=other.reply)


def _sent(exchange: Exchange) -> bytes:
    assert exchange.request is not None
    return exchange.request.body


def _unanswered(exchange: Exchange) -> Exchange:
    return msgspec.structs.replace(exchange, reply=None, error="nothing came")


def _packed(exchange: Exchange) -> Exchange:
    assert exchange.reply is not None
    head = http1.with_header(exchange.reply.head, "Content-Encoding", "gzip")
    body = gzip.compress(exchange.reply.body, mtime=0)
    return msgspec.structs.replace(exchange, reply=msgspec.structs.replace(exchange.reply, head=head, body=body))


def _broken(exchange: Exchange) -> Exchange:
    return msgspec.structs.replace(exchange, error="a strange end")


def _twice(exchanges: list[Exchange], identifier: str) -> list[Exchange]:
    again = next(exchange for exchange in exchanges if exchange.id == identifier)
    return [*exchanges, msgspec.structs.replace(again, id=f"{identifier}-again")]


def _asked(look: Look) -> bool:
    return not look.push


NO_ROWS = "its reply has no rows"
A_PUSH = "nobody asks for a push"
NO_LIST = "its reply has no list"
NOT_HTTP = "lines have no status"

# By rule: the ways to break it, and why a command has none.
RECIPES: dict[str, tuple[Recipe, str]] = {
    "body": (_once("text", "no such page", _asked), "a push that holds nothing of the protocol is no push"),
    "code": (_codes, "its reply has no code of its own"),
    "count": (_counts, "its reply counts no rows"),
    "echo": (_each("echo", lambda look: (f for f in look.fields() if f.echo and _asked(look))), A_PUSH),
    "exchange.command": (_changed(_edited(_asked_else), None, _asked), A_PUSH),
    "exchange.extra": (_changed(_twice, None, _asked), A_PUSH),
    "exchange.missing": (_changed(_edited(lambda exchange: None), None, _asked), A_PUSH),
    "field.bare": (_each("bare", Look.fields), ""),
    "field.duplicate": (_each("double", Look.all_fields), ""),
    "field.extra": (lambda look: [Wrong(look.rule("add") + ".XX=1", ("XX",))], ""),
    "field.missing": (_each("drop", Look.fields), ""),
    "field.order": (_order, ""),
    "field.spelling": (_each("spelling", Look.all_fields), ""),
    "http.coding": (_changed(_edited(_packed), None, lambda look: not look.lines), NOT_HTTP),
    "http.status": (_once("status", "500", lambda look: not look.lines), NOT_HTTP),
    "line.end": (_once("line-end", None, lambda look: look.lines), "it came over HTTP"),
    "list.length": (_lengths, "its reply has no lists side by side"),
    "list.order": (_shifted, "its reply has no lists side by side"),
    "list.terminator": (_each("list-end", lambda look: (f for f in look.fields() if f.list)), NO_LIST),
    "push.extra": (_once("twice", None, lambda look: look.push), "it is asked for"),
    "push.missing": (_once("silence", None, lambda look: look.push), "it is asked for"),
    "reply.broken": (_changed(_edited(_broken), None, _asked), A_PUSH),
    "reply.missing": (_changed(_edited(_unanswered), None, _asked), A_PUSH),
    "request": (_changed(_edited(_asked_more), "XX", _asked), A_PUSH),
    "row.extra": (_row_more, NO_ROWS),
    "row.missing": (_row_gone, NO_ROWS),
    "row.order": (_row_order, "the order of its rows means nothing, or it has none"),
    "row.permuted": (_permuted, "the order of its rows means something, or it has none"),
    "row.value": (_cells, NO_ROWS),
    "value": (_values, "its reply has nothing but what it repeats, counts and codes"),
    "body.terminator": (_terminators, ""),
    "command.case": (
        lambda look: [Wrong(look.rule("case"), (SPEC.roles.command,))],
        "",
    ),
    "text.charset": (_each("charset", _texts), "its reply has no text beyond ASCII"),
    "text.escape": (_each("escape", _said), ""),
    "value.form": (_loose, ""),
}
# What one reply cannot do alone, and where it is tried.
ELSEWHERE = {
    "more": "takes a hundred differences: see test_what_is_not_listed_is_said",
    "reply.extra": "is reply.missing from the other side",
    **{
        f"target.{code}": "what a bad target does is in test_mutation_wire.py and test_diff_causes.py"
        for code in FAILURES
    },
}
OTHER_SIDE = {
    "exchange.extra": "exchange.missing",
    "exchange.missing": "exchange.extra",
    "field.extra": "field.missing",
    "field.missing": "field.extra",
    "push.extra": "push.missing",
    "push.missing": "push.extra",
    "reply.missing": "reply.extra",
    "row.extra": "row.missing",
    "row.missing": "row.extra",
}
# How many scenes have cases of a rule, and how many cases.
COUNTED = {
    "body": (18, 18),
    "code": (20, 98),
    "count": (4, 6),
    "echo": (18, 50),
    "exchange.command": (18, 18),
    "exchange.extra": (18, 18),
    "exchange.missing": (18, 18),
    "field.bare": (20, 148),
    "field.duplicate": (20, 161),
    "field.extra": (20, 20),
    "field.missing": (20, 148),
    "field.order": (20, 161),
    "field.spelling": (20, 161),
    "http.coding": (13, 13),
    "http.status": (13, 13),
    "line.end": (7, 7),
    "list.length": (4, 22),
    "list.order": (3, 9),
    "list.terminator": (6, 13),
    "push.extra": (2, 2),
    "push.missing": (2, 2),
    "reply.broken": (18, 18),
    "reply.missing": (18, 18),
    "request": (18, 18),
    "row.extra": (6, 6),
    "row.missing": (6, 6),
    "row.order": (2, 2),
    "row.permuted": (4, 4),
    "row.value": (6, 26),
    "value": (20, 43),
    "body.terminator": (20, 33),
    "command.case": (20, 20),
    "text.charset": (5, 13),
    "text.escape": (20, 156),
    "value.form": (20, 168),
}
PAIRS = [(scene, rule) for scene in SCENES for rule in RECIPES]


@cache
def honest(scene: str) -> list[Exchange]:
    return play(SCENES[scene])


@cache
def look(scene: str) -> Look:
    """The exchange that the scene is about: the only one that a rule for its command changes."""
    command = SPEC.commands[command_of(scene)]
    marked = play(SCENES[scene], [f"add:{command.name}.MARK=1"])
    changed = [left for left, right in zip(honest(scene), marked, strict=True) if left != right]
    assert len(changed) == 1, f"{scene} is about {len(changed)} exchanges"
    decoded = decode(changed[0], SPEC)
    assert decoded.reply is not None
    return Look(scene, command, changed[0], decoded, decoded.reply)


def wrong_capture(scene: str, wrong: Wrong) -> list[Exchange]:
    if isinstance(wrong.how, str):
        return play(SCENES[scene], [wrong.how])
    return wrong.how(honest(scene), look(scene).exchange.id)


def roots(comparison: Comparison) -> list[Finding]:
    """The findings but for what follows from others."""
    follow = {identifier for cause in comparison.causes for identifier in cause.consequences}
    return [finding for finding in comparison.findings if finding.id not in follow]


def mistakes(scene: str, rule: str, wrong: Wrong) -> Iterator[str]:
    """What the judge says wrongly of this case, from either side."""
    seen = look(scene)
    right, left = honest(scene), wrong_capture(scene, wrong)
    for name, wanted, sides in (
        ("", rule, (right, left)),
        (" from the other side", OTHER_SIDE.get(rule, rule), (left, right)),
    ):
        comparison = compare(*sides, SPEC)
        told = [(f.command, f.rule, wrong.fields if f.field in wrong.fields else f.field) for f in roots(comparison)]
        named = next((f.field for f in roots(comparison)), None)
        expected = (_command(sides[0], seen), wanted, wrong.fields if named in wrong.fields else "?")
        if told != [expected]:
            yield f"{wrong.how}{name}: {told} in place of {wanted} of {' or '.join(map(str, wrong.fields))}"
        elif wrong.row is not None and name == "" and comparison.findings[0].row != wrong.row:
            yield f"{wrong.how}{name}: row {comparison.findings[0].row} in place of {wrong.row}"
        elif any(len(cause.consequences) for cause in comparison.causes):
            yield f"{wrong.how}{name}: something follows from it"


def _command(expected: list[Exchange], seen: Look) -> str:
    """What the exchange is called in the capture that is held to be right."""
    own = next((exchange for exchange in expected if exchange.id == seen.exchange.id), seen.exchange)
    return decode(own, SPEC).command


@pytest.mark.parametrize(("scene", "rule"), PAIRS)
def test_each_way_to_be_wrong_is_one_finding(scene: str, rule: str) -> None:
    recipe, _ = RECIPES[rule]
    assert [mistake for wrong in recipe(look(scene)) for mistake in mistakes(scene, rule, wrong)] == []


def test_every_rule_has_cases_and_every_command_a_scene() -> None:
    assert RECIPES.keys() | ELSEWHERE.keys() == RULES.keys()
    assert {command_of(scene) for scene in SCENES} == SPEC.commands.keys()
    cases = {pair: len(list(RECIPES[pair[1]][0](look(pair[0])))) for pair in PAIRS}
    assert [pair for pair, count in cases.items() if count == 0 and RECIPES[pair[1]][1] == ""] == []
    told = {
        rule: (sum(1 for scene in SCENES if cases[scene, rule]), sum(cases[scene, rule] for scene in SCENES))
        for rule in RECIPES
    }
    assert told == COUNTED, "cases are made of the spec and the scenes: where these changed, so does COUNTED"


def test_what_is_not_listed_is_said() -> None:
    many = [f"add:Logout.X{number}=1" for number in range(101)]
    comparison = compare(honest("Logout"), play(SCENES["Logout"], many), SPEC)
    assert Counter(finding.rule for finding in comparison.findings) == {"field.extra": 100, "more": 1}


@pytest.mark.parametrize("field", ["SG", "SSG"])
def test_the_value_of_a_secret_is_nobodys_business(field: str) -> None:
    """It is another one after each login; what stands beside it is compared as ever (see the cases)."""
    wrong = play(SCENES["Login 1.4"], [f"value:Login.{field}=1234"])
    assert wrong != honest("Login 1.4")
    assert compare(honest("Login 1.4"), wrong, SPEC).findings == ()


# A day on which everybody hears of everybody else.
_ALL = (("TN", 160), ("UN", "0"))
DAY = (
    login("10002"), login("10003"), login("10001"), Step("10001", "List", _ALL), Step("10001", "Query_Stat", _ALL),
    Step("10002", "Query_Stat", _ALL), Step("10003", "Change_Stat", (("ST", 30),)), message("10003", "10001", "a"),
    message("10002", "10001", "b"), Step("10001", "GetMsgEx"), message("10001", "10003", "c"),
    Step("10003", "GetMsgEx"), Step("10003", "Logout"), Step("10001", "GetMsgEx"), Step("10002", "GetMsgEx"),
    Step("10001", "Logout"),
)  # fmt: skip


def known_otherwise(uin: str, **changes: object) -> Accounts:
    """The accounts of a server that knows something else of one of them."""
    changed = [msgspec.structs.replace(a, **changes) if a.uin == uin else a for a in KNOWN.accounts]
    return msgspec.structs.replace(KNOWN, accounts=tuple(changed))


@pytest.mark.parametrize("uin", ["10001", "10002", "10003"])
def test_all_that_comes_of_a_refused_login_is_its_consequence(uin: str) -> None:
    comparison = compare(play(DAY), play(DAY, known=known_otherwise(uin, password="another")), SPEC)
    assert [(f.account, f.command, f.rule, f.field) for f in roots(comparison)] == [(uin, "Login", "code", "RS")]
    assert [len(cause.consequences) for cause in comparison.causes] == [len(comparison.findings) - 1]
    assert len(comparison.findings) > 4


@pytest.mark.parametrize("friend", ["10002", "10003", "10004", "10005"])
def test_all_that_is_not_heard_of_a_missing_friend_is_a_consequence(friend: str) -> None:
    friends = tuple(uin for uin in KNOWN.by_uin["10001"].friends if uin != friend)
    comparison = compare(play(DAY), play(DAY, known=known_otherwise("10001", friends=friends)), SPEC)
    assert [(f.command, f.rule, f.row) for f in roots(comparison)] == [("List", "row.missing", friend)]
    heard = {"10002": {"Query_Stat"}, "10003": {"Query_Stat", "GetMsgEx"}}
    assert {f.command for f in comparison.findings} == {"List"} | heard.get(friend, set())


def test_an_honest_server_is_not_found_guilty() -> None:
    for scene, steps in SCENES.items():
        comparison = compare(honest(scene), play(steps, first=5001), SPEC)
        assert (comparison.findings, comparison.causes, comparison.skipped) == ((), (), {})
        assert comparison.equal == comparison.total == len(honest(scene))
