"""A busy day for tests: many people who know each other, and all that they say to a server at once, as a capture.

Made from a seed, without a socket, and such that nothing in it hangs on chance: what two people do who have to do with
each other, or with the same third one, never overlaps; what others do does. Some keep their connection, some open one
for each request, some leave out the request's target, and some speak bare lines and are pushed to.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from scenes import SPEC, Step, body_of, exchanged, pushed_to

from qqlab import http1
from qqlab.codec import derive
from qqlab.exchange import Exchange
from qqlab.testserver import Accounts, Deviated, State
from qqlab.testserver.accounts import Account

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = ("你好", "在吗?", "1 + 1 = 2", "山, 水 & 100%", "再见\r\n", "哈哈", "a=b")
_LINE, _KEPT, _CLOSED, _SLOPPY = range(4)


class Crowd(NamedTuple):
    """The people, and what was recorded of them."""

    accounts: Accounts
    exchanges: list[Exchange]


class _Person:
    """Somebody: how his client speaks, and when he is free again."""

    def __init__(self, number: int) -> None:
        self.uin = str(20000 + number)
        self.number = number
        self.style = (_CLOSED, _KEPT, _KEPT, _SLOPPY, _KEPT, _CLOSED, _KEPT, _KEPT, _KEPT, _LINE)[number % 10]
        self.known: list[_Person] = []
        self.inside = False
        self.listed = False
        self.free = 0.0

    @property
    def line(self) -> int | None:
        return self.number if self.style == _LINE else None


class _Day:
    def __init__(self, seed: int, people: int) -> None:
        self.chance = random.Random(seed)
        self.people = [_Person(number) for number in range(people)]
        for number, person in enumerate(self.people):
            for step in (1, 2, 3):
                other = self.people[(number + step) % people]
                person.known.append(other)
                other.known.append(person)
        self.accounts = Accounts(accounts=tuple(self._account(person) for person in self.people))
        self.state = State(self.accounts, SPEC)
        self.exchanges: list[Exchange] = []
        self.clock = 0.0
        self.sequence = 1000

    def _account(self, person: _Person) -> Account:
        friends = sorted({other.uin for other in person.known if self.chance.random() < 0.8})
        return Account(
            uin=person.uin,
            password=f"mima-{person.uin}",
            nickname=f"人{person.number}",
            avatar=3 * person.number,
            policy="anyone",
            friends=tuple(friends),
        )

    def go_on(self) -> None:
        """Somebody does something."""
        person = self.chance.choice(self.people)
        self._do(person, self._step(person))

    def _step(self, person: _Person) -> Step:
        uin, line = person.uin, person.line
        if not person.inside:
            person.inside = True
            secret = derive("md5-hex", f"mima-{uin}")
            return Step(uin, "Login", (("PS", secret), ("M5", 1), ("LC", "9326B87B234E7235")), line)
        if not person.listed:
            person.listed = True
            return Step(uin, "List", (("TN", 160), ("UN", "0")), line)
        other = self.chance.choice(person.known).uin
        command, values = self.chance.choices(
            [
                ("GetMsgEx", ()),
                ("CLTMSG", (("UN", other), ("MG", self.chance.choice(_WORDS)))),
                ("Query_Stat", (("TN", 50), ("UN", "0"))),
                ("List", (("TN", self.chance.choice((2, 160))), ("UN", "0"))),
                ("GetInfo", (("LV", self.chance.choice((1, 2, 3))), ("UN", other))),
                ("Change_Stat", (("ST", self.chance.choice((10, 20, 30, 40))),)),
                ("AddToList", (("UN", other),)),
                ("DelFromList", (("UN", other),)),
                ("Logout", ()),
            ],
            (30, 25, 10, 5, 10, 8, 5, 5, 2),
        )[0]
        person.inside = command != "Logout"
        return Step(uin, command, values, line)

    def _do(self, person: _Person, step: Step) -> None:
        self.sequence += 1
        body = body_of(step, str(self.sequence))
        earliest = max(third.free for other in (person, *person.known) for third in (other, *other.known))
        self.clock = max(self.clock, earliest) + self.chance.uniform(0.0002, 0.001)
        answer = self.state.answer(body, "127.0.0.1", self.clock, step.line)
        elapsed = self.chance.uniform(0.001, 0.02)
        person.free = self.clock + elapsed
        exchange = exchanged(str(len(self.exchanges) + 1), step, body, Deviated(body=answer.body, code=answer.code))
        self._keep(_styled(exchange, person), elapsed)
        for push in self.state.pushes():
            told = pushed_to(f"push-{len(self.exchanges)}", push.account, Deviated(body=push.body))
            client = f"127.0.0.1:{push.line}"
            self._keep(msgspec.structs.replace(told, client=client), 0.0)

    def _keep(self, exchange: Exchange, elapsed: float) -> None:
        time = _BEGIN + timedelta(seconds=self.clock)
        self.exchanges.append(msgspec.structs.replace(exchange, time=time, elapsed=elapsed))


def _styled(exchange: Exchange, person: _Person) -> Exchange:
    """The exchange as that person's client has it."""
    if person.style in (_LINE, _CLOSED):
        return exchange
    assert exchange.request is not None
    assert exchange.reply is not None
    if person.style == _SLOPPY:
        head = exchange.request.head.replace(b"POST / HTTP", b"POST HTTP")
        return msgspec.structs.replace(exchange, request=msgspec.structs.replace(exchange.request, head=head))
    request = http1.request(exchange.request.body, "127.0.0.1:8000", keep_alive=True)
    reply = http1.reply(exchange.reply.body, keep_alive=True)
    return msgspec.structs.replace(exchange, client=f"127.0.0.1:{20000 + person.number}", request=request, reply=reply)


def crowd(exchanges: int = 10_000, people: int = 100, seed: int = 1) -> Crowd:
    """So many exchanges at least, pushes not counted."""
    day = _Day(seed, people)
    asked = 0
    while asked < exchanges:
        day.go_on()
        asked += 1
    return Crowd(day.accounts, day.exchanges)
