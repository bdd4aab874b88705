"""Secrets become pseudonyms wherever they stand."""

import gzip
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qqlab import http1, wire
from qqlab import spec as specs
from qqlab.errors import InputError, RefusedError
from qqlab.exchange import Cut, Exchange, RawMessage
from qqlab.pseudonyms import Pseudonyms
from qqlab.redact import Policy, Redactor, read_key

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


@pytest.mark.parametrize(
    "error",
    [
        f"Bad HTTP response line: b'RES=0&PS={SECRET}'",
        f"cannot connect to http://me:{SECRET}@example.org/",
        f"Bad header: b'Cookie: sid={SECRET}'",
    ],
)
def test_an_error_may_quote_what_no_message_holds(error: str) -> None:
    redacted = Redactor(SPEC).exchange(Exchange(id="1", session="", error=error))
    assert redacted.error is not None
    assert SECRET not in redacted.error
    assert redacted.error.partition(":")[0] == error.partition(":")[0]


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
        f'{{"PS": {SECRET}, "CMD": 1}}',
        f"{{'PS' : '{SECRET}'}}",
        f"CMD=CLTMSG&MG=PS%3D{SECRET}",
        f"CMD=CLTMSG&MG=PS%253D{SECRET}",
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


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailers + b"\r\n"


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_secret_across_chunks_is_replaced_within_them() -> None:
    pieces = (b"CMD=Login&UIN=1&PS=" + SECRET[:7].encode(), SECRET[7:20].encode(), SECRET[20:].encode() + b"&M5=1")
    mine = (
        b"CMD=Login&UIN=1&PS=" + PSEUDONYM[:7].encode(),
        PSEUDONYM[7:20].encode(),
        PSEUDONYM[20:].encode() + b"&M5=1",
    )
    old = RawMessage(head=CHUNKED, body=chunked(*pieces, trailers=f"X-Said: {SECRET}\r\n".encode()), chunked=True)
    new = RawMessage(head=CHUNKED, body=chunked(*mine, trailers=f"X-Said: {PSEUDONYM}\r\n".encode()), chunked=True)
    assert REDACTOR.exchange(Exchange(id="1", session="", request=old)).request == new


def test_a_secret_behind_the_size_of_a_chunk_is_replaced() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = RawMessage(head=head, body=f"5;said={SECRET}\r\nRES=0\r\n0\r\n\r\n".encode(), chunked=True)
    changed = REDACTOR.exchange(login(f"PS={SECRET}", reply=reply)).reply
    assert changed is not None
    assert changed.body == reply.body.replace(SECRET.encode(), PSEUDONYM.encode())


def test_a_secret_in_a_packed_body_in_chunks_is_replaced() -> None:
    plain = login(f"PS={SECRET}").request
    assert plain is not None
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    packed = RawMessage(head=head, body=chunked(gzip.compress(plain.body)), chunked=True)
    request = REDACTOR.exchange(Exchange(id="1", session="", request=packed)).request
    assert request is not None
    assert (request.head, request.chunked) == (CHUNKED, True)
    assert http1.content(request) == plain.body.replace(SECRET.encode(), PSEUDONYM.encode())


def test_chunks_without_secrets_stay_as_they_were_sent() -> None:
    message_ = RawMessage(head=CHUNKED, body=chunked(b"CMD=List&TN=", b"160"), chunked=True)
    exchange = Exchange(id="1", session="", request=message_)
    assert REDACTOR.exchange(exchange) is exchange


def test_a_packed_body_without_secrets_stays_packed() -> None:
    packed = RawMessage(head=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", body=gzip.compress(b"RES=0"))
    exchange = login("PS=", reply=packed)
    assert REDACTOR.exchange(exchange) is exchange


def test_a_reply_of_nothing_but_secrets_takes_no_time_to_speak_of() -> None:
    """What took more than a minute when each secret was replaced in the whole body."""
    reply = RawMessage(body=b"&".join(b"PS=%06d" % number for number in range(15_000)))
    redacted = REDACTOR.exchange(login("PS=", reply=reply)).reply
    assert redacted is not None
    assert len(redacted.body) == len(reply.body)
    assert not any(pair.value == b"%06d" % number for number, pair in enumerate(wire.split(redacted.body)))


@pytest.mark.parametrize("body", [b"PS=1&" * 20_001, b"CMD=Dance&X=" + b"PS=123456;" * 20_001])
def test_a_body_of_more_values_than_can_be_replaced_is_left_out(body: bytes) -> None:
    redacted = REDACTOR.exchange(login("PS=", reply=RawMessage(body=body, end=b"\r\n")))
    assert redacted.reply == RawMessage(end=b"\r\n")
    assert redacted.error == ("the reply's body is left out: it holds more than 20000 values")


def test_the_values_of_a_body_do_not_count_for_the_head_of_another() -> None:
    request = RawMessage(body=b"PS=1&" * 19_999)
    reply = RawMessage(head=b"HTTP/1.1 200 OK\r\nCookie: a=1; b=2; c=3\r\n\r\n", body=b"PS=1&PS=2&PS=3")
    changed = REDACTOR.exchange(Exchange(id="1", session="", request=request, reply=reply))
    assert changed.error is None
    assert changed.reply is not None
    assert (len(changed.reply.head), len(changed.reply.body)) == (len(reply.head), len(reply.body))


def test_a_secret_as_long_as_a_message_takes_no_memory_to_speak_of() -> None:
    redactor = Redactor(SPEC)
    long = "0123456789abcdef" * 4096
    changed = body(redactor.exchange(login(f"PS={long}&XX=a{long[:1024]}b")))
    assert long[:1024] not in changed
    assert len(changed) == len(body(login(f"PS={long}&XX=a{long[:1024]}b")))
    assert sum(map(len, redactor._known.values)) == 1024


def test_a_secret_as_long_as_a_message_is_replaced_in_time_that_goes_with_its_length() -> None:
    """A second or so for a megabyte; what grew with the square of it took minutes, which the test's limit would end."""
    value = "a1" * 400_000
    made = Pseudonyms(b"k" * 32).secret(value)
    assert len(made) == len(value)
    assert made != value


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


def message(body: str | bytes, head: bytes = b"") -> RawMessage:
    return RawMessage(head=head, body=body.encode() if isinstance(body, str) else body)


def redacted(body: str | bytes, policy: Policy = "all", head: bytes = b"") -> bytes:
    """A reply's body, redacted."""
    exchange = Exchange(id="1", session="", reply=message(body, head))
    reply = Redactor(SPEC, policy=policy, key=b"a key").exchange(exchange).reply
    assert reply is not None
    return reply.body


def test_personal_values_are_replaced_by_the_policy_all_alone() -> None:
    body = "VER=1.1&CMD=GETINFO&SEQ=1&UIN=10001&RES=0&EM=you@example.org&LV=2&NK=小明&SX=1&UN=10002"
    assert redacted(body, "secrets") == redacted(body, "none") == body.encode()
    changed = redacted(body).decode()
    pattern = r"(.*)&EM=[a-z]{3}@[a-z]{7}\.[a-z]{3}&LV=2&NK=[一-龥]{2}&SX=1&UN=10002"
    assert re.fullmatch(pattern, changed)
    assert "小明" not in changed


@pytest.mark.parametrize("charset", ["utf-8", "gb18030"])
def test_a_list_is_replaced_item_by_item_and_codes_are_left(charset: str) -> None:
    body = "CMD=GETMSGEX&RES=0&MN=4&MT=9,99,9,2,&UN=1,2,3,4,&MG=好 %252c了,30,好 %252c了,,"
    items = redacted(body.encode(charset)).decode(charset).split("MG=")[1].split(",")
    assert items[0] == items[2]
    assert re.fullmatch("[一-龥] %252c[一-龥]", items[0])
    assert items[0] != "好 %252c了"
    assert [items[1], *items[3:]] == ["30", "", ""]


def test_a_text_has_one_pseudonym_whether_it_went_through_a_list_or_not() -> None:
    sent = redacted("CMD=CLTMSG&MG=你好%2c 100%25", "all")
    asked = Exchange(id="1", session="", request=message("CMD=CLTMSG&UN=1&MG=你好%2c 100%25"))
    request = Redactor(SPEC, policy="all", key=b"a key").exchange(asked).request
    assert request is not None
    received = redacted("CMD=GETMSGEX&RES=0&MN=1&MT=9,&UN=1,&MG=你好%252c 100%2525,")
    assert unquote(request.body.decode()).split("MG=")[1] == unquote(unquote(received.decode())).split("MG=")[1][:-1]
    assert sent != b""


def test_escapes_keep_their_places_and_their_case() -> None:
    body = "CMD=GETINFO&RES=0&NK=%E5%B0%8f%20Li"
    changed = redacted(body).decode()
    assert re.fullmatch(r"CMD=GETINFO&RES=0&NK=(%[0-9A-F]{2}){2}%[0-9a-f]{2}%20[A-Z][a-z]", changed)


@pytest.mark.parametrize(
    ("header", "left"),
    [
        (b"Authorization: Basic dXNlcjpwYXNzd29yZDE=", rb"Authorization: Basic [A-Za-z0-9]{19}="),
        (b"proxy-authorization: Bearer abcDEF123456", rb"proxy-authorization: Bearer [a-z]{3}[A-Z]{3}[0-9]{6}"),
        (b"Cookie: sid=abcdef123; b=x1", rb"Cookie: sid=[a-z]{6}[0-9]{3}; b=[a-z][0-9]"),
        (b"Set-Cookie: sid=abcdef123; Path=/; HttpOnly", rb"Set-Cookie: sid=[a-z]{6}[0-9]{3}; Path=/; HttpOnly"),
        (b"Referer: http://me:hunter22@example.org/", rb"Referer: http://me:[a-z0-9]{8}@example.org/"),
    ],
)
def test_credentials_in_heads_are_secrets(header: bytes, left: bytes) -> None:
    head = b"POST / HTTP/1.1\r\n" + header + b"\r\nContent-Length: 6\r\n\r\n"
    exchange = Exchange(
        id="1", session="", request=message("CMD=Li", head), error="password1, abcDEF123456, abcdef123 or hunter22"
    )
    changed = Redactor(SPEC).exchange(exchange)
    assert changed.request is not None
    assert re.fullmatch(b"POST / HTTP/1.1\r\n" + left + b"\r\nContent-Length: 6\r\n\r\n", changed.request.head)
    assert header not in changed.request.head
    assert changed.error != exchange.error


@pytest.mark.parametrize("credentials", ["dXNlcjpwYXNzd29yZDE", " dXNlcjpwYXNzd29yZDE=", "\tdXNlcjpwYXNzd29yZDE= "])
def test_the_password_in_sloppy_credentials_is_hunted(credentials: str) -> None:
    head = f"POST / HTTP/1.1\r\nAuthorization: Basic {credentials}\r\nContent-Length: 6\r\n\r\n".encode()
    reply = RawMessage(body=b"RES=1&RA=password1 is wrong")
    changed = Redactor(SPEC).exchange(Exchange(id="1", session="", request=message("CMD=Li", head), reply=reply))
    assert "password1" not in repr(changed)
    assert "dXNlcjp" not in repr(changed)


def test_what_frames_a_message_is_no_secret() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nConnection: keep-alive\r\nX: keep-alive 123456\r\n\r\n"
    reply = message("CMD=Login&PS=keep-alive&SSG=123456", head)
    changed = Redactor(SPEC).exchange(Exchange(id="1", session="", reply=reply)).reply
    assert changed is not None
    assert changed.head.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nConnection: keep-alive\r\nX: ")
    assert b"X: keep-alive" not in changed.head
    assert not changed.head.endswith(b"123456\r\n\r\n")


def test_a_telephone_number_is_hunted_in_text_only() -> None:
    body = "CMD=GETINFO&RES=0&LV=1&PC=123456&UN=123456&XX=so 123456&NK=1"
    pairs = dict(pair.split("=") for pair in redacted(body).decode().split("&"))
    assert pairs["UN"] == "123456"
    assert pairs["XX"] == f"so {pairs['PC']}" != "so 123456"


def test_what_was_replaced_is_counted_by_name() -> None:
    redactor = Redactor(SPEC, policy="all")
    redactor.exchange(login(f"PS={SECRET}", error=f"sent {SECRET}"))
    redactor.exchange(Exchange(id="2", session="", reply=message("CMD=QUERY_STAT&RES=0&NK=a,b,,")))
    assert (redactor.replaced, redactor.elsewhere) == ({"PS": 1, "NK": 2}, 1)


def test_a_cut_body_that_changed_shows_no_checksum() -> None:
    cut = Cut(length=99, sha256="ab" * 32)
    for body_, kept in ((b"CMD=Login&PS=abcdef", Cut(length=99, sha256="")), (b"CMD=Login&", cut)):
        exchange = Exchange(id="1", session="", request=RawMessage(body=body_, cut=cut))
        request = Redactor(SPEC).exchange(exchange).request
        assert request is not None
        assert request.cut == kept


def test_many_secrets_are_remembered_and_the_oldest_forgotten() -> None:
    redactor = Redactor(SPEC)
    tokens = [f"{number:064x}" for number in range(1 << 60, (1 << 60) + 300)]
    for token in tokens:
        redactor.exchange(Exchange(id="1", session="", reply=message(f"CMD=Login&RES=0&RS=0&SG={token}")))
    later = redactor.exchange(Exchange(id="2", session="", reply=message("CMD=Dance&X=" + " ".join(tokens))))
    assert later.reply is not None
    left = [token for token in tokens if token.encode() in later.reply.body]
    assert left == tokens[: len(left)]
    assert 0 < len(left) <= 44


def test_what_was_clean_is_searched_again_once_another_secret_is_known() -> None:
    redactor = Redactor(SPEC)
    secret = "5f4dcc3b5aa765d61d8327deb882cf99"
    head = f"POST /{secret} HTTP/1.1\r\nContent-Length: 5\r\n\r\n".encode()
    poll = Exchange(id="1", session="", request=RawMessage(head=head, body=b"CMD=x"))
    login = Exchange(id="2", session="", request=RawMessage(body=f"CMD=Login&PS={secret}".encode()))
    assert redactor.exchange(poll) is poll
    assert redactor.text(f"it said {secret}") == f"it said {secret}"
    redactor.exchange(login)
    for _ in range(2):
        changed = redactor.exchange(poll).request
        assert changed is not None
        assert changed.head == head.replace(secret.encode(), redactor.pseudonym(secret).encode())
        assert redactor.text(f"it said {secret}") == f"it said {redactor.pseudonym(secret)}"


def test_an_error_that_quotes_bytes_stays_text() -> None:
    secret = "密码12345".encode("gb18030")
    request = RawMessage(body=b"CMD=Login&PS=" + secret)
    error = f"sent {quote(secret)} and {secret!r}"
    changed = Redactor(SPEC).exchange(Exchange(id="1", session="", request=request, error=error)).error
    assert changed is not None
    assert changed.encode()
    assert quote(secret) not in changed
    assert repr(secret)[2:-1] not in changed


def test_a_key_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(range(32)) + b"\n")
    path.chmod(0o600)
    assert read_key(path) == bytes(range(32)) + b"\n"


@pytest.mark.parametrize("key", [b"", b"fifteen bytes!!", bytes(64 * 1024 + 1)])
def test_what_is_no_key_is_refused(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(key)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"is no key: .*make one"):
        read_key(path)


def test_a_key_that_is_not_there_or_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(InputError, match=r"head -c 32 /dev/urandom"):
        read_key(path)
    path.write_bytes(bytes(32))
    path.chmod(0o640)
    with pytest.raises(RefusedError, match=r"chmod 600"):
        read_key(path)
