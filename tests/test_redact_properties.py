"""What holds of redacting for all messages: nothing but the values changes, and of these neither length nor kind."""

import base64
from collections import Counter
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab import wire
from qqlab.codec import Decoded, decode
from qqlab.exchange import Exchange, RawMessage
from qqlab.redact import Policy, Redactor
from qqlab.spec import Direction, Field

SPEC = specs.builtin()
COMMANDS = sorted(SPEC.commands)
POLICIES: list[Policy] = ["secrets", "all"]

CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5) | st.sampled_from("，。★é，"), max_size=6)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=10)
NUMBER = st.integers(-5, 10**6).map(str)
LIKELY = st.sampled_from(["you@example.org", "http://example.org/~you?a=1", "0123-456789", "%2c", "5F4DCC3B", "^_^"])
TEXT = CHINESE | ASCII | NUMBER | LIKELY | st.builds(str.__add__, CHINESE, ASCII)
CHARSET = st.sampled_from(["utf-8", "gb18030"])
FOREIGN = st.binary(max_size=12).map(lambda data: data.replace(b"&", b""))


def escape_all(data: bytes) -> bytes:
    return quote_from_bytes(data, safe="").lower().encode()


def escape_little(data: bytes) -> bytes:
    for character in b"%&\r\n":
        data = data.replace(bytes([character]), b"%%%02x" % character)
    return data


@st.composite
def raw_values(draw: st.DrawFn, field: Field) -> bytes:
    """A value as some client might write it, well or badly."""
    if draw(st.integers(0, 9)) == 0:
        return draw(FOREIGN)
    if field.type in ("code", "int", "digits") and draw(st.booleans()):
        items = draw(st.lists(st.sampled_from(["0", "9", "99", "10", "2"]), min_size=1, max_size=3))
    else:
        items = draw(st.lists(TEXT, min_size=1, max_size=3))
    text = "".join(f"{item.replace(',', '%2c')}," for item in items) if field.list else items[0]
    escape = draw(st.sampled_from([escape_all, escape_little]))
    return escape(text.encode(draw(CHARSET)))


def pluses_out(raw: bytes, field: Field) -> bytes:
    """A secret may lose its pluses, and what is said of them: where it is but marks, or where they mean blanks."""
    return raw.replace(b"+", b"-") if field.secret else raw


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    command = SPEC.commands[draw(st.sampled_from(COMMANDS))]
    name = command.name if draw(st.integers(0, 5)) else "Dance"

    def body(direction: Direction) -> bytes:
        fixed = {"VER": b"1.1", "CMD": name.encode(), "SEQ": b"1001", "UIN": b"10001", "RES": b"0"}
        pairs = [
            wire.Pair(field.name.encode(), fixed.get(field.name) or pluses_out(draw(raw_values(field)), field))
            for field in command.fields(direction)
            if field.name in fixed or draw(st.integers(0, 3))
        ]
        return wire.join(pairs)

    return Exchange(
        id="1", session="", request=RawMessage(body=body("request")), reply=RawMessage(body=body("reply")), error="odd"
    )


def notes(decoded: Decoded) -> Counter[tuple[str, str | None, str | None]]:
    return Counter((note.code, note.direction, note.field) for note in decoded.notes)


def shape(decoded: Decoded) -> object:
    """Names, types and numbers of everything."""
    return [
        (
            message.charset,
            message.plus,
            message.terminated,
            [(field.name, kind(field.value)) for field in message.fields],
            [(table.spec.name, len(table.rows)) for table in message.tables],
        )
        for message in decoded.messages()
    ]


def kind(value: object) -> object:
    return [type(item) for item in value] if isinstance(value, tuple) else type(value)


def messages(exchange: Exchange) -> list[RawMessage]:
    return [message for message in (exchange.request, exchange.reply) if message is not None]


@given(exchanges(), st.sampled_from(POLICIES), st.binary(min_size=16, max_size=16))
def test_only_values_change_and_neither_in_length_nor_in_kind(exchange: Exchange, policy: Policy, key: bytes) -> None:
    redacted = Redactor(SPEC, policy=policy, key=key).exchange(exchange)
    before, after = decode(exchange, SPEC), decode(redacted, SPEC)
    assert shape(after) == shape(before)
    assert notes(after) == notes(before)
    for old, new in zip(messages(exchange), messages(redacted), strict=True):
        assert [(pair.key, len(pair.value or b"")) for pair in wire.split(new.body)] == [
            (pair.key, len(pair.value or b"")) for pair in wire.split(old.body)
        ]
    assert Redactor(SPEC, policy=policy, key=key).exchange(exchange) == redacted


@given(exchanges(), st.sampled_from(POLICIES))
def test_what_is_neither_secret_nor_personal_stays(exchange: Exchange, policy: Policy) -> None:
    before, after = decode(exchange, SPEC), decode(Redactor(SPEC, policy=policy).exchange(exchange), SPEC)
    named = {f.name for _, _, f in SPEC.every_field() if f.secret or (policy == "all" and f.personal)}
    for old, new in zip(before.messages(), after.messages(), strict=True):
        for one, other in zip(old.fields, new.fields, strict=True):
            is_left = one.spec is not None and not (one.spec.secret or (one.spec.personal and policy == "all"))
            if (is_left or one.name not in named) and len(one.raw or b"") < 6:
                assert other.raw == one.raw


@given(exchanges())
def test_equal_items_stay_equal_and_rows_aligned(exchange: Exchange) -> None:
    before, after = decode(exchange, SPEC), decode(Redactor(SPEC, policy="all").exchange(exchange), SPEC)
    for old, new in zip(before.messages(), after.messages(), strict=True):
        for table, other in zip(old.tables, new.tables, strict=True):
            for column in table.spec.columns:
                pairs = [
                    (a.cells.get(column), b.cells.get(column)) for a, b in zip(table.rows, other.rows, strict=True)
                ]
                assert all(one[1] == two[1] for one in pairs for two in pairs if one[0] == two[0])


SECRETS = st.binary(min_size=8, max_size=30).filter(lambda value: len(value.strip(b" \t\r\n+\0\x0b\x0c")) >= 8)


@given(SECRETS, st.binary(max_size=8), st.sampled_from(POLICIES))
@example(b"\x01\x00\xc2\x80\x00\x00\xc2\x80", b"", "secrets")
def test_a_secret_stands_in_no_writing_anywhere(value: bytes, beside: bytes, policy: Policy) -> None:
    writings = [
        value,
        quote_from_bytes(value, safe="").encode(),
        value.hex().encode(),
        value.hex().upper().encode(),
        base64.b64encode(beside + value + beside),
    ]
    echoed = b"CMD=Login&RES=0&RS=1&RA=" + b" ".join(escape_little(one) for one in writings)
    head = b"HTTP/1.1 200 OK\r\nX-Said: " + writings[1] + b" " + writings[4] + b"\r\n\r\n"
    redacted = Redactor(SPEC, policy=policy).exchange(
        Exchange(
            id="1",
            session="",
            request=RawMessage(body=b"CMD=Login&UIN=10001&PS=" + quote_from_bytes(value, safe="").encode()),
            reply=RawMessage(head=head, body=echoed),
            error=f"they said {writings[1].decode()} and {writings[2].decode()}",
        )
    )
    assert redacted.error is not None
    core = value.strip(b" \t\r\n+")
    parts = [part for message in messages(redacted) for part in (message.head, message.body)]
    everything = b"\n".join([redacted.error.encode(), *parts, *map(unquote_to_bytes, parts)])
    for writing in (core, quote_from_bytes(core, safe="").encode(), core.hex().encode(), core.hex().upper().encode()):
        assert writing not in everything
    coded = unquote_to_bytes(messages(redacted)[1].body).rsplit(b" ", 1)[1]
    assert core not in base64.b64decode(coded)
