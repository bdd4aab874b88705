"""The session that the demonstration drives: who sends what, in which order, as which kind of client.

Law: pure data and the bodies made of it. Every command of the protocol's 1.1 occurs, a login that fails, Chinese
text with commas and `&`, a request after logout, and three ways in which clients of the time wrote requests.
The users are those of the test server's sample accounts.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import quote_plus

from qqlab import wire
from qqlab.codec import Value, derive, encode_message
from qqlab.spec import Spec

# How a client writes: raw UTF-8 with a target, the same without a target, every value percent-encoded as PHP did.
Style = Literal["plain", "no target", "encoded"]

VERSION = "1.1"
WRONG = "not-the-password"


class Step(NamedTuple):
    """One request: `values` stand behind the fields that every request has."""

    account: str
    command: str
    values: tuple[tuple[str, Value], ...] = ()
    style: Style = "plain"
    password: str | None = None


def _login(account: str, style: Style = "plain", password: str | None = None) -> Step:
    return Step(account, "Login", (("M5", 1), ("LC", "9326B87B234E7235")), style, password)


STEPS: tuple[Step, ...] = (
    _login("10001", password=WRONG),
    _login("10001"),
    _login("10002"),
    Step("10001", "List", (("TN", 160), ("UN", "0"))),
    Step("10001", "List", (("TN", 2), ("UN", "0"))),
    Step("10001", "List", (("TN", 2), ("UN", "10003"))),
    Step("10001", "Query_Stat", (("TN", 50), ("UN", "0"))),
    Step("10001", "GetInfo", (("LV", 1), ("UN", "10002"))),
    Step("10001", "GetInfo", (("LV", 2), ("UN", "10002"))),
    Step("10002", "GetInfo", (("LV", 3), ("UN", "10001"))),
    Step("10001", "CLTMSG", (("UN", "10002"), ("MG", "你好, 山 & 水! 100% 真心\r\n再见"))),
    Step("10001", "CLTMSG", (("UN", "10002"), ("MG", "1 + 1 = 2"))),
    Step("10002", "GetMsgEx"),
    Step("10002", "Change_Stat", (("ST", 30),)),
    Step("10001", "GetMsgEx"),
    # Somebody new asks three people to be added: one lets anyone, one wants to be asked, one lets nobody.
    _login("10006", "no target"),
    Step("10006", "AddToList", (("UN", "10002"),), "no target"),
    Step("10006", "AddToList", (("UN", "10001"),), "no target"),
    Step("10006", "AddToList", (("UN", "10003"),), "no target"),
    Step("10006", "Ack_AddToList", (("UN", "10001"), ("CD", 2), ("RS", "我是新来的, 可以吗?")), "no target"),
    Step("10001", "GetMsgEx"),
    Step("10001", "Ack_AddToList", (("UN", "10006"), ("CD", 0), ("RS", ""))),
    Step("10006", "GetMsgEx", style="no target"),
    # And once more with a client that encodes everything, and an answer that is no.
    _login("10004", "encoded"),
    Step("10006", "Ack_AddToList", (("UN", "10004"), ("CD", 2), ("RS", "请加我")), "no target"),
    Step("10004", "GetMsgEx", style="encoded"),
    Step("10004", "Ack_AddToList", (("UN", "10006"), ("CD", 1), ("RS", "不认识 你, 抱歉")), "encoded"),
    Step("10006", "GetMsgEx", style="no target"),
    Step("10006", "List", (("TN", 160), ("UN", "0")), "no target"),
    Step("10006", "DelFromList", (("UN", "10002"),), "no target"),
    Step("10006", "List", (("TN", 160), ("UN", "0")), "no target"),
    Step("10001", "Finger", (("AG", ""), ("SX", "1"), ("PV", "云南省"))),
    Step("10002", "Logout"),
    Step("10001", "GetMsgEx"),
    Step("10001", "Logout"),
    Step("10001", "GetMsgEx"),
)


def bodies(spec: Spec, password: Callable[[str], str | None]) -> Iterator[tuple[Step, bytes]]:
    """Each step with the body that its client sends; `password` gives an account's password."""
    for number, step in enumerate(STEPS, 1001):
        yield step, _body(step, str(number), spec, step.password or password(step.account) or "")


def _body(step: Step, sequence: str, spec: Spec, password: str) -> bytes:
    command = spec.command(step.command)
    roles = spec.roles
    values: list[tuple[str, Value]] = [
        (roles.version, VERSION),
        (roles.command, step.command),
        (roles.sequence, sequence),
        (roles.account, step.account),
    ]
    secrets = command.request if command is not None else ()
    values += [(field.name, derive(field.derived, password)) for field in secrets if field.derived]
    values += step.values
    if step.style == "encoded":
        pairs = [wire.Pair(name.encode(), quote_plus(_text(value)).encode()) for name, value in values]
        return wire.join(pairs)
    return encode_message(values, "request", spec, command)


def _text(value: Value) -> str:
    return "" if value is None else str(value)
