"""What a replay keeps holds no secrets, even where it saves itself the search."""

import hashlib

import msgspec
import pytest

from qqlab import http1
from qqlab import spec as specs
from qqlab.exchange import Exchange, RawMessage
from qqlab.net.keeping import InMemory
from qqlab.replay import Plan, Step

SPEC = specs.builtin()
SECRET = hashlib.md5(b"mima").hexdigest()
PSEUDONYM = "0123456789abcdef0123456789abcdef"


def exchange(id: str, fields: str, head: bytes = b"", reply: str = "") -> Exchange:
    body = f"VER=1.1&CMD=GetMsgEx&SEQ={id}&UIN=10001{fields}"
    said = http1.reply(f"VER=1.1&CMD=GETMSGEX&SEQ={id}&UIN=10001&RES=0{reply}".encode())
    said = RawMessage(head=said.head.replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n"), body=said.body)
    return Exchange(id=id, session="s", request=http1.request(body.encode(), "h"), reply=said)


def step(recorded: Exchange, request: RawMessage | None = None) -> Step:
    assert recorded.request is not None
    return Step(recorded=recorded, request=request or recorded.request)


def numbered(one: Exchange, number: str) -> Exchange:
    """The same with another sequence number."""
    assert one.request is not None
    assert one.reply is not None
    old, new = f"SEQ={one.id}".encode(), f"SEQ={number}".encode()
    request = msgspec.structs.replace(one.request, body=one.request.body.replace(old, new))
    return msgspec.structs.replace(
        one, request=request, reply=msgspec.structs.replace(one.reply, body=one.reply.body.replace(old, new))
    )


@pytest.mark.parametrize("clean", [True, False])
def test_what_is_as_recorded_is_told_so_and_kept_as_it_is(clean: bool) -> None:
    told: list[tuple[str, bool]] = []
    memory = InMemory(SPEC, lambda one, same: told.append((one.id, same)), recorded_clean=clean)
    recorded = [exchange("1", ""), exchange("2", ""), exchange("3", "", reply="&MN=0")]
    again = [numbered(recorded[0], "7"), numbered(recorded[1], "8"), exchange("3", "", reply="&MN=1")]
    for before, after in zip(recorded, again, strict=True):
        memory.outcome(after, step(before))
    assert told == [("1", True), ("2", True), ("3", False)]
    assert list(memory.in_order(Plan(steps=(), skipped={}, lacking=()))) == again


def test_a_head_in_which_a_secret_turns_up_later_is_searched_again() -> None:
    memory = InMemory(SPEC, recorded_clean=True)
    debug = f"X-Debug: {SECRET}\r\n".encode()
    plain = [exchange(str(number), "", debug) for number in (1, 2, 4)]
    login = f"VER=1.1&CMD=Login&SEQ=3&UIN=10001&PS={PSEUDONYM}&M5=1&LC=1"
    sent = login.replace(PSEUDONYM, SECRET)
    logged_in = Exchange(id="3", session="s", request=http1.request(login.encode(), "h"), reply=http1.reply(b"RES=0"))
    assert logged_in.request is not None
    memory.outcome(plain[0], step(plain[0]))
    memory.outcome(plain[1], step(plain[1]))
    with_secret = msgspec.structs.replace(logged_in, request=http1.request(sent.encode(), "h"))
    memory.outcome(with_secret, step(logged_in, with_secret.request))
    memory.outcome(plain[2], step(plain[2]))
    kept = memory.in_order(Plan(steps=(), skipped={}, lacking=()))
    assert SECRET not in str(kept[2:])


@pytest.mark.parametrize("others", [0, 300])
def test_secrets_that_go_out_are_known_before_they_do(others: int) -> None:
    """However many there are, and whichever process sends them."""
    logins = [
        http1.request(f"VER=1.1&CMD=Login&SEQ=3&UIN={10001 + number}&PS={secret}&M5=1&LC=1".encode(), "h")
        for number, secret in enumerate([SECRET, *(hashlib.md5(b"%d" % n).hexdigest() for n in range(others))])
    ]
    memory = InMemory(SPEC, recorded_clean=True, secret=logins)
    said = exchange("1", "", reply=f"&NK={SECRET.upper()}")
    memory.outcome(said, step(exchange("1", "")))
    [kept] = memory.in_order(Plan(steps=(), skipped={}, lacking=()))
    assert SECRET not in str(kept).lower()
