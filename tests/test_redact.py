"""Secrets become pseudonyms wherever they stand."""

import gzip
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1, wire
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.redact import Redactor

SPEC = specs.builtin()
SECRET = "5f4dcc3b5aa765d61d8327deb882cf99"
REDACTOR = Redactor(SPEC, key=b"a key")
PSEUDONYM = REDACTOR.pseudonym(SECRET)


def login(value: str, **more: object) -> Exchange:
    body = f"VER=1.1&CMD=Login&SEQ=1&UIN=10001&{value}&M5=1&LC=9326B87B234E7235".encode()
    return Exchange(id="1", session="", request=RawMessage(body=body), **more)  # type: ignore[arg-type]


def body(exchange: Exchange) -> str:
    assert exchange.request is not None
    return exchange.request.body.decode("latin-1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"PS={SECRET}", f"PS={PSEUDONYM}"),
        (f"PS={SECRET} ", f"PS={PSEUDONYM} "),
        (f"ps={SECRET}", f"ps={PSEUDONYM}"),
        (f"%50S={SECRET}", f"%50S={PSEUDONYM}"),
        (f" PS ={SECRET}", f" PS ={PSEUDONYM}"),
        (f"PS=%35{SECRET[1:]}", f"PS=%{ord(PSEUDONYM[0]):02x}{PSEUDONYM[1:]}"),
        (f"PS={SECRET}&PS={SECRET}", f"PS={PSEUDONYM}&PS={PSEUDONYM}"),
        (f"PS={SECRET}&XX=a{SECRET}b", f"PS={PSEUDONYM}&XX=a{PSEUDONYM}b"),
        (f"PS={SECRET.upper()}", f"PS={PSEUDONYM.upper()}"),
        ("PS=", "PS="),
        ("PS", "PS"),
    ],
)
def test_a_password_in_any_writing(value: str, expected: str) -> None:
    original = login(value)
    assert body(REDACTOR.exchange(original)) == body(original).replace(value, expected)


def test_heads_and_errors_are_searched_too() -> None:
    head = f"POST /?PS={SECRET} HTTP/1.1\r\nReferer: x{SECRET}\r\nContent-Length: 9\r\n\r\n".encode()
    request = RawMessage(head=head, body=login(f"PS={SECRET}").request.body)  # type: ignore[union-attr]
    reply = RawMessage(head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"you said " + SECRET.encode())
    redacted = REDACTOR.exchange(Exchange(id="1", session="", request=request, reply=reply, error=f"bad {SECRET}"))
    assert SECRET not in repr(redacted)
    assert repr(redacted).count(PSEUDONYM) == 5


def test_a_password_in_the_target_alone_is_found() -> None:
    request = RawMessage(head=f"GET /?CMD=Login&PS={SECRET} HTTP/1.1\r\n\r\n".encode())
    assert SECRET not in repr(REDACTOR.exchange(Exchange(id="1", session="", request=request)))


def test_a_password_does_not_hide_in_a_content_coding() -> None:
    plain = login(f"PS={SECRET}").request
    assert plain is not None
    body = gzip.compress(plain.body)
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    packed = RawMessage(head=head, body=body)
    redacted = REDACTOR.exchange(Exchange(id="1", session="", request=packed)).request
    assert redacted is not None
    assert redacted.body == plain.body.replace(SECRET.encode(), PSEUDONYM.encode())
    assert redacted.head == f"POST / HTTP/1.1\r\nContent-Length: {len(plain.body)}\r\n\r\n".encode()
    assert http1.content(redacted) == redacted.body


def test_a_field_is_secret_by_its_command_or_where_that_is_unclear_by_its_name() -> None:
    picture = Exchange(id="1", session="", reply=RawMessage(body=b"CMD=VERIFYCODE&SC=1&VC=89504E47"))
    assert REDACTOR.exchange(picture) == picture
    answer = Exchange(id="1", session="", request=RawMessage(body=b"CMD=VERIFYCODE&SC=2&VC=abcd"))
    assert b"abcd" not in REDACTOR.exchange(answer).request.body  # type: ignore[union-attr]
    for unclear in (b"CMD=Dance&PS=abcdef12", b"PS=abcdef12", b"CMD=List&PS=abcdef12"):
        odd = Exchange(id="1", session="", request=RawMessage(body=unclear))
        assert b"abcdef12" not in REDACTOR.exchange(odd).request.body  # type: ignore[union-attr]


KINDS: list[tuple[str, str]] = [
    ("upper-case", SECRET.upper()),
    ("percent-encoded", "".join(f"%{ord(character):02x}" for character in SECRET)),
    ("partly so, in capitals", SECRET[:5] + "".join(f"%{ord(character):02X}" for character in SECRET[5:])),
    ("cut off", SECRET[:31]),
    ("among other text", f"you said {SECRET}, was it?"),
]


@pytest.mark.parametrize("value", [f"PS={SECRET}", f"PS=%35{SECRET[1:]}", f"PS={SECRET.upper()}"])
@pytest.mark.parametrize(("kind", "reflected"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_server_that_repeats_the_secret_in_another_writing(value: str, kind: str, reflected: str) -> None:
    reply = RawMessage(head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"CMD=Login&RES=0&RS=1&RA=" + reflected.encode())
    redacted = Redactor(SPEC).exchange(login(value, reply=reply, error=f"sent {reflected}"))
    plain = unquote(repr(redacted)).lower()
    assert [plain[at : at + 8] for at in range(len(plain)) if plain[at : at + 8] in grams(SECRET)] == [], kind


def grams(text: str) -> set[str]:
    """All runs of eight characters."""
    return {text[at : at + 8] for at in range(len(text) - 7)}


@pytest.mark.parametrize(
    "body",
    [
        f"CMD=Login;UIN=1;PS={SECRET}",
        f"CMD=Login\r\nPS={SECRET}\r\n",
        f'{{"CMD":"Login","PS":"{SECRET}"}}',
        f"CMD=CLTMSG&MG=PS%3D{SECRET}",
        f"\x00PS={SECRET}&CMD=Login",
        f"\ufeffPS={SECRET}",
        f"CMD=Login&amp;PS={SECRET}",
        f"+PS={SECRET}&CMD=Login",
    ],
)
def test_a_password_in_a_body_of_another_form(body: str) -> None:
    exchange = Exchange(id="1", session="", request=RawMessage(body=body.encode()))
    assert SECRET not in repr(REDACTOR.exchange(exchange))


@pytest.mark.parametrize("target", ["/?PS=12345", "/?%50S=12345", "/?ps=12345&x=1"])
def test_a_short_password_in_the_head_is_replaced_in_its_place(target: str) -> None:
    request = RawMessage(head=f"POST {target} HTTP/1.1\r\n\r\n".encode(), body=b"CMD=Login&UIN=1")
    assert "12345" not in repr(REDACTOR.exchange(Exchange(id="1", session="", request=request)))


def test_a_secret_is_hunted_in_later_exchanges_too() -> None:
    redactor = Redactor(SPEC)
    redactor.exchange(login(f"PS={SECRET}"))
    later = Exchange(id="2", session="", request=RawMessage(body=f"CMD=CLTMSG&UIN=1&MG=it is {SECRET}".encode()))
    assert body(redactor.exchange(later)) == f"CMD=CLTMSG&UIN=1&MG=it is {redactor.pseudonym(SECRET)}"


def test_a_password_that_equals_the_account_leaves_the_account_alone() -> None:
    redacted = body(Redactor(SPEC).exchange(login("PS=84676497&XX=84676497"))).replace("UIN=10001", "UIN=84676497")
    account = Exchange(
        id="1", session="", request=RawMessage(body=b"CMD=Login&SEQ=84676497&UIN=84676497&PS=84676497&XX=84676497")
    )
    after = body(Redactor(SPEC).exchange(account))
    assert "&UIN=84676497&" in after
    assert "SEQ=84676497&" in after
    assert after.count("84676497") == 2
    assert "XX=84676497" not in redacted


def test_each_message_goes_by_its_own_command() -> None:
    picture = RawMessage(body=b"VER=1.1&CMD=VERIFYCODE&SEQ=1&UIN=1&RES=0&SC=1&VC=89504E470D0A")
    assert REDACTOR.exchange(login(f"PS={SECRET}", reply=picture)).reply == picture


def test_a_body_that_cannot_be_read_is_left_out_and_that_is_said() -> None:
    for body_, coding in ((gzip.compress(b"SG=" + b"ab" * 32)[:-9], "gzip"), (b"anything", "br")):
        head = f"HTTP/1.1 200 OK\r\nCONTENT-ENCODING: {coding}\r\n\r\n".encode()
        redacted = REDACTOR.exchange(login("PS=", reply=RawMessage(head=head, body=body_)))
        assert redacted.reply == RawMessage(head=head)
        assert redacted.error == (
            "the reply's body is left out: its content coding cannot be undone to look for secrets"
        )


def test_a_packed_body_without_secrets_stays_packed() -> None:
    packed = RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body=gzip.compress(b"RES=0"))
    exchange = login("PS=", reply=packed)
    assert REDACTOR.exchange(exchange) is exchange


def test_a_reply_of_nothing_but_secrets_takes_no_time_to_speak_of() -> None:
    """What took more than a minute when each secret was replaced in the whole body."""
    reply = RawMessage(body=b"&".join(b"PS=%06d" % number for number in range(100_000)))
    redacted = REDACTOR.exchange(login("PS=", reply=reply)).reply
    assert redacted is not None
    assert len(redacted.body) == len(reply.body)
    assert not any(pair.value == b"%06d" % number for number, pair in enumerate(wire.split(redacted.body)))


def test_what_holds_no_secret_stays_byte_for_byte() -> None:
    plain = Exchange(id="1", session="", request=RawMessage(head=b"x", body=b"CMD=List&&UIN=%31&=&\xff"))
    assert REDACTOR.exchange(plain) == plain


def test_equal_values_have_equal_pseudonyms_within_a_key_only() -> None:
    other = Redactor(SPEC)
    assert Redactor(SPEC, key=b"a key").pseudonym(SECRET) == PSEUDONYM
    assert REDACTOR.pseudonym(SECRET[::-1]) != PSEUDONYM
    assert other.pseudonym(SECRET) not in (PSEUDONYM, SECRET)


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        (SECRET, "[0-9a-f]{32}"),
        (SECRET.upper(), "[0-9A-F]{32}"),
        ("1234567890", "[0-9]{10}"),
        ("passwort", "[a-z0-9]{8}"),
        ("Pass wört!", "[A-Za-z0-9]{6}[а-я][A-Za-z0-9]{3}"),
        ("", ""),
    ],
)
def test_length_and_alphabet_stay(value: str, pattern: str) -> None:
    assert re.fullmatch(pattern, REDACTOR.pseudonym(value))


FOREIGN = st.binary(max_size=60)


@given(FOREIGN, FOREIGN, st.sampled_from([b"CMD=Login&PS=", b"PS=", b"%50S=", b"CMD=x&ps="]))
def test_redacting_never_raises(head: bytes, value: bytes, start: bytes) -> None:
    raw = RawMessage(head=head, body=start + value)
    REDACTOR.exchange(Exchange(id="1", session="", request=raw, reply=raw, error="x"))


@given(st.binary(min_size=8, max_size=40).filter(lambda value: not set(value) & set(b"&% \t\r\n")))
def test_no_secret_survives_in_its_field(value: bytes) -> None:
    exchange = Exchange(id="1", session="", request=RawMessage(body=b"CMD=Login&PS=" + value))
    assert value not in REDACTOR.exchange(exchange).request.body  # type: ignore[union-attr]
