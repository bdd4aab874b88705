"""Many days of the test server: every command, in many situations, by many accounts and several kinds of clients.

What a spec is inferred from has to vary: servers with other intervals, profiles of all kinds, pages, refusals, requests
after a logout, clients of four versions, pushes over bare lines. All is made from a seed by the server's state machine.
`PYTHONPATH=tests python tests/variety.py OUTPUT.jsonl` writes it as a capture.
"""

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import msgspec
from scenes import SPEC

from qqlab import http1, wire
from qqlab.capture import header, save
from qqlab.codec import Value, derive, encode_message
from qqlab.exchange import Exchange, RawMessage
from qqlab.testserver import Accounts, State
from qqlab.testserver.accounts import Account, Policy

_BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
_WORDS = ["你好", "在吗?", "1+1=2", "山,水&100%", "再见\r\n", "哈哈", "a=b", "ok,", "谢谢", "三点;", "北京|上海"]
_PLACES = ["云南省", "北京市", "上海市", "广东省", "四川省", "江苏省", "浙江省", "湖北省", "山东省", "福建省", "河南省"]
_NAMES = ["雨", "山", "水", "强", "星", "云", "月", "风", "花", "雪", "石", "林"]
_POLICIES: tuple[Policy, ...] = ("anyone", "approval", "nobody")
_POLLED = ("GetMsgEx", "List", "GetInfo", "Query_Stat", "SimpleInfo2", "Query_Stat2")
_LC, _MOBILE_LC = "9326B87B234E7235", "812822641C978097"


class _Person:
    """Somebody and his client: the version that it speaks, its line or None, how it counts."""

    def __init__(self, account: Account, number: int, chance: random.Random) -> None:
        self.account = account
        self.line = number if number % 3 == 0 else None
        self.version = "1.4" if self.line is not None else chance.choice(("1.0", "1.1", "1.1", "1.1"))
        self.encodes = self.line is None and number % 5 == 1
        self.sequence = 100
        self.inside = False
        self.wishes: list[str] = []
        self.cursor: dict[str, str] = {}


class _Day:
    """One server and its users. `size` accounts, each with some friends."""

    def __init__(self, number: int, chance: random.Random, size: int) -> None:
        self.number = number
        self.chance = chance
        self.clock = 0.0
        self.made: list[Exchange] = []
        uins = [str(chance.choice((20000, 561000, 29501000)) + number * 1000 + 7 * one) for one in range(size)]
        accounts = tuple(self._account(uin, one, uins) for one, uin in enumerate(uins))
        self.known = Accounts(
            accounts=accounts,
            poll_seconds=chance.randint(20, 200),
            silence_seconds=chance.randint(100_000, 900_000),
            refusal=f"登录失败 {number}",
        )
        self.state = State(self.known, SPEC)
        self.people = [_Person(account, one, chance) for one, account in enumerate(accounts)]
        self.xp = f"{chance.getrandbits(64):016X}"
        self.gd, self.lg = f"E{chance.choice('ABCDEFGHXYZ')}{number}", str(chance.randint(0, 40))

    def _account(self, uin: str, number: int, uins: list[str]) -> Account:
        chance = self.chance
        friends = uins[1:131] if number == 0 and len(uins) > 131 else chance.sample(uins, min(6, len(uins)))
        return Account(
            uin=uin,
            password=f"mima-{uin}",
            nickname=f"{chance.choice(_NAMES)}{chance.choice(_NAMES)}, {number % 40}",
            avatar=3 * chance.randint(0, 90),
            policy=chance.choice(_POLICIES),
            friends=tuple(friend for friend in friends if friend != uin),
            verification=f"{chance.choice('KXZQ')}{number:03}" if number % 6 == 0 else None,
            profile=self._profile(number),
        )

    def _profile(self, number: int) -> dict[str, str | int]:
        chance = self.chance
        profile: dict[str, str | int] = {
            "AD": f"{chance.choice(_PLACES)}, {chance.choice(_NAMES)}路 {chance.randint(1, 99)} 号",
            "AG": chance.randint(12, 70),
            "BT": chance.randint(0, 5),
            "CO": chance.randint(0, 12),
            "CT": f"{chance.choice(_NAMES)}{chance.choice(_NAMES)}市",
            "CY": f"{chance.choice(_NAMES)}国",
            "EM": f"u{number}x{chance.randint(1, 999)}@example.org",
            "HP": chance.choice(("", f"http://example.org/~{number}?a=1&b=2,3")),
            "JB": f"{chance.choice(_NAMES)}师, {chance.choice(_NAMES)}员",
            "MO": f"0000-55501{number:02}",
            "PC": f"{chance.randint(1, 99):02}{chance.randint(0, 9)}000",
            "PH": f"0000-55502{number:02}",
            "PR": f"{chance.choice(_WORDS)}, {chance.choice(_WORDS)} {number}",
            "PV": chance.choice(_PLACES),
            "RN": f"{chance.choice(_NAMES)}{chance.choice(_NAMES)}{chance.choice(_NAMES)}",
            "SC": f"{chance.choice(_NAMES)}{chance.choice(_NAMES)}大学",
            "SH": chance.randint(0, 12),
            "SX": chance.randint(0, 1),
        }
        for name in ("CV", "ID", "MT", "MV"):
            if chance.random() < 0.6:
                profile[name] = f"{chance.choice(_NAMES)}{chance.randint(0, 99)}{chance.choice('xyz')}"
        return profile

    # ---------------------------------------------------------------------------------------- what people do

    def live(self, steps: int) -> None:
        """So many things are done; if there is somebody with very many friends, he comes first."""
        if len(self.people) > 131:
            self._page_through(self.people[0])
        for _ in range(steps):
            self._do(self.chance.choice(self.people[:24]))

    def _page_through(self, person: _Person) -> None:
        self._log_in(person, right=True)
        for start in (0, 120, 0, 120):
            self._send(person, "SimpleInfo2", (("UN", "0"), ("TO", str(start))))

    def _do(self, person: _Person) -> None:
        if not person.inside:
            if self.chance.random() < 0.15:
                self._ask(person)  # as if he were logged in
            else:
                self._log_in(person, right=self.chance.random() < 0.7)
            return
        self._ask(person)

    def _log_in(self, person: _Person, *, right: bool) -> None:
        mobile = person.line is not None
        password = person.account.password if right else "wrong"
        secret = derive("MD5-HEX" if mobile else "md5-hex", password)
        values: tuple[tuple[str, Value], ...] = (
            ("PS", secret),
            ("M5", 1),
            ("LC", _MOBILE_LC if mobile else _LC),
        )
        if mobile:
            values += (("LG", self.lg), ("GD", self.gd), ("CKE", ""))
            if self.chance.random() < 0.5:
                values += (("ST", self.chance.choice((10, 30, 40))),)
        reply = self._send(person, "Login", values)
        code = person.account.verification
        if reply.startswith(b"VER=1.1&CMD=VERIFYCODE") and code is not None:
            while not person.inside:
                said = code if self.chance.random() < 0.6 else f"{self.chance.randint(1000, 9999)}"
                reply = self._send(person, "VERIFYCODE", (("SC", 2), ("VC", said)))
                person.inside = b"&CMD=Login&" in reply
        person.inside = b"&RS=0" in reply

    def _ask(self, person: _Person) -> None:
        chance, other = self.chance, self.chance.choice(self.people[:24]).account.uin
        if person.wishes and chance.random() < 0.7:
            answer = (
                ("UN", person.wishes.pop()),
                ("CD", chance.choice((0, 1))),
                ("RS", f"好, {chance.randint(1, 99)}"),
            )
            self._send(person, "Ack_AddToList", answer)
        wish = (chance.choice((0, 1, 2, 2)), f"{chance.choice(_WORDS)}, {chance.randint(1, 500)}")
        acts = [
            ("GetMsgEx", (), 22),
            ("CLTMSG", (("UN", other), ("MG", f"{chance.choice(_WORDS)} {chance.randint(1, 999)}")), 22),
            ("List", self._page(person, "List", (2, 3, 4, 160)), 8),
            ("Query_Stat", self._page(person, "Query_Stat", (1, 1, 2, 50)), 8),
            ("GetInfo", (("LV", chance.choice((1, 2, 3, 3))), ("UN", other)), 14),
            ("Change_Stat", (("ST", chance.choice((10, 20, 30, 40, 50, 60, 70))),), 6),
            ("AddToList", (("UN", other),), 6),
            ("Ack_AddToList", (("UN", other), ("CD", wish[0]), ("RS", wish[1])), 7),
            ("DelFromList", (("UN", other),), 3),
            ("Finger", self._search(), 4),
            ("Logout", (), 5),
        ]
        if person.line is not None:
            acts += [
                ("SimpleInfo2", (("UN", "0"), ("TO", "0")), 6),
                ("Query_Stat2", (("CM", 2), ("UN", chance.choice(("0", other)))), 8),
                ("Change_Stat2", (("ST", chance.choice((10, 20, 30, 40, 50, 60, 70))),), 8),
            ]
        command, values, _ = chance.choices(acts, [weight for _, _, weight in acts])[0]
        self._send(person, command, values)
        if (
            command in ("GetMsgEx", "List", "GetInfo", "Query_Stat", "SimpleInfo2", "Query_Stat2")
            and chance.random() < 0.3
        ):
            self._send(person, command, values)  # at once again
        if command == "Logout":
            person.inside = False
            if chance.random() < 0.4:
                self._send(person, "GetMsgEx", ())

    def _page(self, person: _Person, command: str, sizes: tuple[int, ...]) -> tuple[tuple[str, Value], ...]:
        return ("TN", self.chance.choice(sizes)), ("UN", person.cursor.get(command, "0"))

    def _search(self) -> tuple[tuple[str, Value], ...]:
        age = f"{self.chance.randint(16, 40)}-{self.chance.randint(41, 60)}"
        asked = (("AG", self.chance.choice(("", age))), ("SX", str(self.chance.randint(0, 1))))
        place = ("PV", f"{self.chance.choice(_PLACES)}{self.chance.choice(('', '东', '西'))}")
        return tuple(one for one in (*asked, place) if self.chance.random() < 0.8)

    # ------------------------------------------------------------------------------------------ on the wire

    def _send(self, person: _Person, command: str, values: tuple[tuple[str, Value], ...]) -> bytes:
        person.sequence = person.sequence + 1 if person.line is not None else self.chance.randint(1000, 99999)
        version = "1.2" if command == "CLTMSG" and person.version == "1.1" and self.chance.random() < 0.2 else ""
        head: list[tuple[str, Value]] = [("VER", version or person.version), ("CMD", command)]
        if person.line is not None:
            head.insert(1, ("CON", self.number % 2))
        head += [("SEQ", str(person.sequence)), ("UIN", person.account.uin)]
        if person.line is not None:
            head += [("SID", ""), ("XP", self.xp)]
        body = encode_message([*head, *values], "request", SPEC, SPEC.command(command))
        if person.encodes:
            texts = [(name, "" if value is None else str(value)) for name, value in (*head, *values)]
            body = wire.join(wire.Pair(name.encode(), quote_plus(text).encode()) for name, text in texts)
        self.clock += self.chance.uniform(0.1, 4)
        answer = self.state.answer(body, "127.0.0.1", self.clock, person.line)
        self._keep(person.account.uin, person.line, body, answer.body, answer.code)
        for push in self.state.pushes():
            self._keep(push.account, push.line, None, push.body, http1.OK)
        self._go_on(person, command, answer.body)
        return answer.body

    def _go_on(self, person: _Person, command: str, reply: bytes) -> None:
        """Where the next page of a list begins."""
        said = {pair.key: pair.value or b"" for pair in wire.split(reply)}
        if b"MT" in said and b"MN" in said:
            kinds = zip(said[b"MT"].split(b","), said[b"UN"].split(b","), strict=True)
            person.wishes += [who.decode() for kind, who in kinds if kind == b"2"]
        if b"FN" in said and b"SN" in said:
            rows = said[b"UN"].split(b",")
            person.cursor[command] = rows[-2].decode() if said[b"FN"] == b"0" and len(rows) > 1 else "0"

    def _keep(self, uin: str, line: int | None, body: bytes | None, reply: bytes, code: int) -> None:
        lines = line is not None
        asked = None if body is None else RawMessage(body=body, end=b"\n") if lines else http1.request(body, "qq:80")
        said = RawMessage(body=reply, end=b"\r\n") if lines else http1.reply(reply, code=code)
        exchange = Exchange(
            id="",
            session=f"127.0.0.1/{uin}",
            time=_BEGIN + timedelta(days=self.number, seconds=self.clock),
            elapsed=0.01,
            client=f"127.0.0.1:{30000 + (line or 0)}",
            transport="lines" if lines else "http",
            request=asked,
            reply=said,
            pairing="echo" if lines else "order",
        )
        self.made.append(exchange)


def days(count: int = 20, steps: int = 230, seed: int = 5) -> Iterator[Exchange]:
    """What was recorded on so many days, in order."""
    chance = random.Random(seed)
    number = 0
    for day in range(count):
        one = _Day(day, chance, 140 if day % 4 == 0 else 24)
        one.live(steps)
        for exchange in one.made:
            number += 1
            yield msgspec.structs.replace(exchange, id=str(number))


if __name__ == "__main__":
    made = list(days())
    save(Path(sys.argv[1]), header(SPEC, redacted="none", created=_BEGIN), made, SPEC, force=True)
