"""Sessions for tests that need a capture at once: the state machine of the test server asked without a socket.

A scene leads up to one command whose reply has all that the command can say, so that a server which is wrong about
that command is wrong in one exchange. `play` gives the capture that would have been recorded of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from qqlab import http1
from qqlab import spec as specs
from qqlab.codec import Value, derive, encode_message
from qqlab.exchange import Exchange, RawMessage
from qqlab.testserver import Accounts, Deviated, State, accounts, deviate

SPEC = specs.builtin()
KNOWN = accounts.sample()
MOBILE = "1.4"


class Step(NamedTuple):
    """One request. `line` is the number of the line that it goes over, None for HTTP."""

    account: str
    command: str
    values: tuple[tuple[str, Value], ...] = ()
    line: int | None = None


def login(account: str, line: int | None = None, code: str = "md5-hex") -> Step:
    """A login with the right password."""
    secret = derive("md5-hex", KNOWN.password(account) or "")
    return Step(account, "Login", (("PS", secret), ("M5", 1), ("LC", "9326B87B234E7235")), line)


def message(sender: str, to: str, words: str, line: int | None = None) -> Step:
    """Something said to somebody."""
    return Step(sender, "CLTMSG", (("UN", to), ("MG", words)), line)


_ALL = (("TN", 160), ("UN", "0"))
_FRIENDS = (login("10002"), login("10003"), login("10005"))
_AWAY = Step("10003", "Change_Stat", (("ST", 30),))
_WISH = (("UN", "10001"), ("CD", 2), ("RS", "我是新来的"))
_MOBILES = (login("10002", 2), login("10003", 3))

# The command that each scene is about comes once in it, or once with a reply that can be wrong.
SCENES: dict[str, tuple[Step, ...]] = {
    "Login": (login("10001"),),
    "List": (login("10001"), Step("10001", "List", _ALL)),
    "List in pages": (login("10001"), Step("10001", "List", (("TN", 3), ("UN", "0")))),
    "Query_Stat": (*_FRIENDS, _AWAY, login("10001"), Step("10001", "Query_Stat", _ALL)),
    "GetInfo": (login("10002"), Step("10002", "GetInfo", (("LV", 3), ("UN", "10001")))),
    "AddToList": (login("10006"), Step("10006", "AddToList", (("UN", "10003"),))),
    "Ack_AddToList": (login("10006"), Step("10006", "Ack_AddToList", _WISH)),
    "DelFromList": (login("10001"), Step("10001", "DelFromList", (("UN", "10002"),))),
    "Change_Stat": (login("10001"), Step("10001", "Change_Stat", (("ST", 30),))),
    "Logout": (login("10001"), Step("10001", "Logout")),
    "GetMsgEx": (
        login("10001"), login("10002"), login("10006"), message("10002", "10001", "你好, 山 & 水"),
        Step("10006", "Ack_AddToList", _WISH), message("10006", "10001", "b"), Step("10001", "GetMsgEx"),
    ),
    "CLTMSG": (login("10001"), message("10001", "10002", "你好")),
    "Finger": (login("10001"), Step("10001", "Finger", (("AG", ""), ("SX", "1"), ("PV", "云南省")))),
    "Login 1.4": (login("10001", 1),),
    "VERIFYCODE": (login("10005", 1), Step("10005", "VERIFYCODE", (("SC", 2), ("VC", "K7QX")), 1)),
    "SimpleInfo2": (login("10001", 1), Step("10001", "SimpleInfo2", (("UN", "0"), ("TO", "0")), 1)),
    "Query_Stat2": (*_MOBILES, login("10001", 1), Step("10001", "Query_Stat2", (("CM", 2), ("UN", "0")), 1)),
    "Change_Stat2": (login("10001", 1), Step("10001", "Change_Stat2", (("ST", 50),), 1)),
    "Server_Msg": (login("10001", 1), login("10006", 6), message("10006", "10001", "你好", 6)),
    "update_stat": (login("10001", 1), login("10002", 2)),
}  # fmt: skip


def command_of(scene: str) -> str:
    """The command that a scene is about."""
    return scene.partition(" ")[0]


def play(
    steps: Sequence[Step], rules: Sequence[str] = (), known: Accounts = KNOWN, *, first: int = 1001
) -> list[Exchange]:
    """What is recorded of these steps against a server that these rules make wrong. `first` is the first SEQ."""
    state = State(known, SPEC)
    parsed = [deviate.parse(rule, SPEC) for rule in rules]
    exchanges: list[Exchange] = []
    for number, step in enumerate(steps):
        body = body_of(step, str(first + number))
        answer = state.answer(body, "127.0.0.1", float(number), step.line)
        deviated = Deviated(body=answer.body, code=answer.code)
        if answer.command is not None and answer.code == http1.OK:
            deviated = deviate.apply(parsed, answer.body, answer.command, SPEC)
        exchanges.append(exchanged(str(number + 1), step, body, deviated))
        for push in state.pushes():
            pushed = deviate.apply(parsed, push.body, push.command, SPEC)
            times = 0 if pushed.ending == "silent" else pushed.times
            exchanges += [pushed_to(f"push-{len(exchanges)}-{again}", push.account, pushed) for again in range(times)]
    return exchanges


def body_of(step: Step, sequence: str) -> bytes:
    """What the client of a step sends."""
    roles, command = SPEC.roles, SPEC.command(step.command)
    values: list[tuple[str, Value]] = [
        (roles.version, "1.1" if step.line is None else MOBILE),
        (roles.command, step.command),
        (roles.sequence, sequence),
        (roles.account, step.account),
    ]
    return encode_message([*values, *step.values], "request", SPEC, command)


def exchanged(identifier: str, step: Step, body: bytes, deviated: Deviated) -> Exchange:
    """What is recorded of one request and its reply."""
    lines = step.line is not None
    return Exchange(
        id=identifier,
        session=f"127.0.0.1/{step.account}",
        client=f"127.0.0.1:{step.line}" if lines else f"127.0.0.1:{40000 + int(identifier)}",
        transport="lines" if lines else "http",
        request=RawMessage(body=body, end=b"\n") if lines else http1.request(body, "127.0.0.1:8000"),
        reply=_line(deviated) if lines else _http(deviated),
        pairing="echo" if lines else "order",
    )


def pushed_to(identifier: str, account: str, deviated: Deviated) -> Exchange:
    """What is recorded of one push."""
    reply = _line(deviated)
    return Exchange(id=identifier, session=f"127.0.0.1/{account}", transport="lines", reply=reply, client="127.0.0.1:1")


def _line(deviated: Deviated) -> RawMessage:
    assert deviated.ending == "whole"
    return RawMessage(body=deviated.body, end=deviated.line_end)


def _http(deviated: Deviated) -> RawMessage:
    assert (deviated.ending, deviated.stated, deviated.times) == ("whole", 0, 1)
    reply = http1.reply(deviated.body, code=deviated.code)
    head = reply.head
    for name, value in deviated.headers:
        head = http1.with_header(head, name, value)
    return msgspec.structs.replace(reply, head=head)
